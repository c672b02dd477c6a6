/* dcmnet as acceptor: it parses the A-ASSOCIATE-RQ and writes the -AC, on connections that are
 * ours. */
#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmnet/assoc.h"
#include "dcmtk/dcmnet/cond.h"
#include "dcmtk/dcmnet/dcmlayer.h"
#include "dcmtk/dcmnet/dcmtrans.h"
#include "dcmtk/dcmnet/dul.h"
#include "dcmtk/dcmnet/extneg.h"
#include "dcmtk/dcmnet/lst.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <unistd.h>
#include <vector>

#include "dicom/bridge/guard.h"
#include "dicom/bridge/library.h"

extern "C" {
#include "dicom/association.h"
#include "dicom/negotiation.h"
#include "dicom/pdu.h"
#include "dicom/stream.h"
}

namespace
{

/* What a call into dcmnet lends to the connection that dcmnet then asks our layer for. */
struct Setup {
    const uint8_t *request; /* the whole A-ASSOCIATE-RQ */
    size_t length;
    mur_stream *stream; /* for the answer */
};

thread_local Setup *current_setup = nullptr;

class SetupScope
{
  public:
    explicit SetupScope(Setup &setup)
    {
        current_setup = &setup;
    }
    ~SetupScope()
    {
        current_setup = nullptr;
    }
    SetupScope(const SetupScope &) = delete;
    SetupScope &operator=(const SetupScope &) = delete;
};

/* Serves dcmnet the one PDU that it has to see, and never closes the stream, which is ours. */
class Connection : public DcmTCPConnection
{
  public:
    Connection(int descriptor, const Setup &setup)
        : DcmTCPConnection(descriptor), stream_(setup.stream),
          pdu_(setup.request, setup.request + setup.length)
    {
    }
    ~Connection() override
    {
        setSocket(-1);
    }

    ssize_t read(void *bytes, size_t length) override
    {
        size_t left = pdu_.size() - position_;
        length = length < left ? length : left;
        if (length > 0)
            memcpy(bytes, pdu_.data() + position_, length);
        position_ += length;
        return static_cast<ssize_t>(length);
    }

    ssize_t write(void *bytes, size_t length) override
    {
        iovec vector = {bytes, length};
        if (mur_stream_write(stream_, &vector, 1, deadline_ms, nullptr) != MUR_OK) {
            errno = EPIPE;
            return -1;
        }
        return static_cast<ssize_t>(length);
    }

    OFBool networkDataAvailable(int) override
    {
        return OFTrue; /* the request is there */
    }
    void close() override
    {
    }
    void closeTransportConnection() override
    {
    }

    int64_t deadline_ms = MUR_NO_DEADLINE; /* for writing */

  private:
    mur_stream *stream_; /* borrowed: dcmnet goes before it */
    std::vector<uint8_t> pdu_;
    size_t position_ = 0;
};

class Layer : public DcmTransportLayer
{
  public:
    DcmTransportConnection *createConnection(DcmNativeSocketType descriptor, OFBool) override
    {
        if (current_setup == nullptr)
            return nullptr;
        return new Connection(descriptor, *current_setup);
    }
};

T_ASC_Network *network = nullptr; /* lives as long as the process */
Layer layer;
std::mutex receive_mutex; /* dcmExternalSocketHandle is global */

struct AssociationDeleter {
    void operator()(T_ASC_Association *association) const
    {
        ASC_destroyAssociation(&association);
    }
};
using Association = std::unique_ptr<T_ASC_Association, AssociationDeleter>;

enum mur_role role_of(DUL_SC_ROLE role)
{
    switch (role) {
    case DUL_SC_ROLE_SCU:
        return MUR_ROLE_SCU;
    case DUL_SC_ROLE_SCP:
        return MUR_ROLE_SCP;
    case DUL_SC_ROLE_SCUSCP:
        return MUR_ROLE_BOTH;
    case DUL_SC_ROLE_NONE:
    case DUL_SC_ROLE_DEFAULT:
        break;
    }
    return MUR_ROLE_DEFAULT;
}

T_ASC_SC_ROLE role_to(enum mur_role role)
{
    switch (role) {
    case MUR_ROLE_SCU:
        return ASC_SC_ROLE_SCU;
    case MUR_ROLE_SCP:
        return ASC_SC_ROLE_SCP;
    case MUR_ROLE_BOTH:
        return ASC_SC_ROLE_SCUSCP;
    case MUR_ROLE_DEFAULT:
        break;
    }
    return ASC_SC_ROLE_DEFAULT;
}

void copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* Implementation Version Names are for log lines. */
void copy_printable(char *out, size_t size, const char *text)
{
    copy_text(out, size, text);
    for (char *at = out; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}

/* The lists themselves are read: ASC_getPresentationContext() stops at 50 transfer syntaxes. */
enum mur_status copy_contexts(mur_negotiated *negotiated, LST_HEAD **list, mur_error *error)
{
    if (*list == nullptr)
        return MUR_OK;
    auto *context = static_cast<DUL_PRESENTATIONCONTEXT *>(LST_Head(list));
    LST_Position(list, context);
    for (; context != nullptr; context = static_cast<DUL_PRESENTATIONCONTEXT *>(LST_Next(list))) {
        std::vector<const char *> syntaxes;
        LST_HEAD **proposed = &context->proposedTransferSyntax;
        if (*proposed != nullptr) {
            auto *syntax = static_cast<DUL_TRANSFERSYNTAX *>(LST_Head(proposed));
            LST_Position(proposed, syntax);
            for (; syntax != nullptr;
                 syntax = static_cast<DUL_TRANSFERSYNTAX *>(LST_Next(proposed)))
                syntaxes.push_back(syntax->transferSyntax);
        }
        enum mur_status status = mur_negotiated_add_context(
            negotiated, context->presentationContextID, context->abstractSyntax, syntaxes.data(),
            syntaxes.size(), role_of(context->proposedSCRole), error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

enum mur_status copy_extended(mur_negotiated *negotiated,
                              const SOPClassExtendedNegotiationSubItemList *list, mur_error *error)
{
    if (list == nullptr)
        return MUR_OK;
    for (auto item = list->begin(); item != list->end(); ++item) {
        enum mur_status status = mur_negotiated_add_extended(
            negotiated, (*item)->sopClassUID.c_str(), (*item)->serviceClassAppInfo,
            (*item)->serviceClassAppInfoLength, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

void identify_ourselves(T_ASC_Parameters *parameters)
{
    copy_text(parameters->ourImplementationClassUID, sizeof(parameters->ourImplementationClassUID),
              MUR_IMPLEMENTATION_CLASS_UID);
    copy_text(parameters->ourImplementationVersionName,
              sizeof(parameters->ourImplementationVersionName), MUR_IMPLEMENTATION_VERSION_NAME);
}

uint32_t max_pdu_of(unsigned long announced)
{
    return announced > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(announced);
}

} // namespace

struct mur_dcmnet {
    T_ASC_Association *association;
    ~mur_dcmnet()
    {
        ASC_destroyAssociation(&association);
    }
};

extern "C" enum mur_status mur_network_init(mur_error *error)
{
    return mur::guard(error, [&] {
        static std::mutex init_mutex;
        std::lock_guard<std::mutex> lock(init_mutex);
        if (network != nullptr)
            return MUR_OK;
        (void)setenv("TCP_NODELAY", "1", 0);
        mur::prepare_library();
        dcmDisableGethostbyaddr.set(OFTrue);
        dcmAssociatePDUSizeLimit.set(MUR_ASSOCIATE_LIMIT);
        /* Any open descriptor keeps dcmnet from making a listening socket on all addresses. */
        MUR_AUTO_CLOSE int any = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (any < 0)
            return mur_error_set_errno(error, errno, "opening /dev/null");
        const int none = dcmExternalSocketHandle.get();
        dcmExternalSocketHandle.set(any);
        OFCondition condition = ASC_initializeNetwork(NET_ACCEPTOR, 0, 30 /* s */, &network);
        dcmExternalSocketHandle.set(none);
        if (condition.good())
            condition = ASC_setTransportLayer(network, &layer, 0 /* stays ours */);
        if (condition.bad())
            return mur_error_set(error, MUR_INTERNAL, "initializing dcmnet: %s", condition.text());
        return MUR_OK;
    });
}

extern "C" void mur_dcmnet_free(mur_dcmnet *dcmnet)
{
    delete dcmnet;
}

extern "C" enum mur_status mur_dcmnet_receive(mur_negotiated **out, const uint8_t *request,
                                              size_t length, mur_stream *stream, uint32_t max_pdu,
                                              mur_error *error)
{
    return mur::guard(error, [&] {
        Setup setup = {request, length, stream};
        T_ASC_Association *received = nullptr;
        OFCondition condition;
        {
            /* Nothing blocks here: all that is to be read has come already. */
            std::lock_guard<std::mutex> lock(receive_mutex);
            SetupScope scope(setup);
            const int none = dcmExternalSocketHandle.get();
            dcmExternalSocketHandle.set(stream->descriptor);
            condition = ASC_receiveAssociation(network, &received, static_cast<long>(max_pdu));
            dcmExternalSocketHandle.set(none);
        }
        Association association(received);
        if (condition.bad())
            return mur_error_set(error, MUR_PARSE, "A-ASSOCIATE-RQ: %s", condition.text());

        T_ASC_Parameters *parameters = association->params;
        DUL_ASSOCIATESERVICEPARAMETERS &dul = parameters->DULparams;
        MUR_AUTO(mur_negotiated) *negotiated = nullptr;
        enum mur_status status = mur_negotiated_create(&negotiated, error);
        if (status == MUR_OK)
            status = copy_contexts(negotiated, &dul.requestedPresentationContext, error);
        if (status == MUR_OK)
            status = copy_extended(negotiated, dul.requestedExtNegList, error);
        if (status != MUR_OK)
            return status;
        mur_negotiated_set_title(negotiated->calling_ae_title, dul.callingAPTitle);
        mur_negotiated_set_title(negotiated->called_ae_title, dul.calledAPTitle);
        copy_printable(negotiated->application_context, sizeof(negotiated->application_context),
                       dul.applicationContextName);
        copy_printable(negotiated->peer_implementation, sizeof(negotiated->peer_implementation),
                       parameters->theirImplementationVersionName);
        negotiated->peer_max_pdu = max_pdu_of(parameters->theirMaxPDUReceiveSize);
        identify_ourselves(parameters);
        /* Keeps dcmnet's send buffer small, which we do not use, and its compatibility mode off. */
        parameters->theirMaxPDUReceiveSize = ASC_MINIMUMPDUSIZE;
        negotiated->dcmnet = new mur_dcmnet{association.get()};
        (void)association.release();
        *out = MUR_STEAL(negotiated);
        return MUR_OK;
    });
}

static enum mur_status answer_extended(const mur_negotiated *negotiated,
                                       DUL_ASSOCIATESERVICEPARAMETERS &dul)
{
    for (size_t i = 0; i < negotiated->extended_count; i++) {
        const mur_extended_negotiation &item = negotiated->extended[i];
        if (item.answer_length == 0)
            continue;
        if (dul.acceptedExtNegList == nullptr)
            dul.acceptedExtNegList = new SOPClassExtendedNegotiationSubItemList;
        auto *answer = new SOPClassExtendedNegotiationSubItem;
        dul.acceptedExtNegList->push_back(answer); /* dcmnet deletes it */
        answer->sopClassUID = item.abstract_syntax;
        answer->sopClassUIDLength = static_cast<unsigned short>(strlen(item.abstract_syntax));
        answer->serviceClassAppInfo = new unsigned char[item.answer_length];
        memcpy(answer->serviceClassAppInfo, item.answer, item.answer_length);
        answer->serviceClassAppInfoLength = static_cast<unsigned short>(item.answer_length);
    }
    return MUR_OK;
}

extern "C" enum mur_status mur_dcmnet_acknowledge(mur_negotiated *negotiated, int64_t deadline_ms,
                                                  mur_error *error)
{
    return mur::guard(error, [&] {
        T_ASC_Association *association = negotiated->dcmnet->association;
        T_ASC_Parameters *parameters = association->params;
        for (size_t i = 0; i < negotiated->context_count; i++) {
            const mur_presentation_context &context = negotiated->contexts[i];
            OFCondition condition =
                context.result == MUR_CONTEXT_ACCEPTED
                    ? ASC_acceptPresentationContext(parameters, context.id,
                                                    context.accepted_transfer_syntax,
                                                    role_to(context.accepted_role))
                    : ASC_refusePresentationContext(
                          parameters, context.id,
                          static_cast<T_ASC_P_ResultReason>(context.result));
            if (condition.bad())
                return mur_error_set(error, MUR_INTERNAL, "presentation context %u: %s", context.id,
                                     condition.text());
        }
        enum mur_status status = answer_extended(negotiated, parameters->DULparams);
        if (status != MUR_OK)
            return status;
        auto *connection =
            static_cast<Connection *>(DUL_getTransportConnection(association->DULassociation));
        connection->deadline_ms = deadline_ms;
        OFCondition condition = ASC_acknowledgeAssociation(association);
        if (condition.bad())
            return mur_error_set(error, MUR_CLOSED, "sending the A-ASSOCIATE-AC: %s",
                                 condition.text());
        mur_dcmnet_free(MUR_STEAL(negotiated->dcmnet));
        return MUR_OK;
    });
}
