/* C-FIND against a node: levels and models, keys, character sets, cancelling. */
#include "scp_support.h"

#include "dicom/dictionary.h"
#include "dicom/scanner.h"

#define STUDY_FIND mur_uid_StudyRootQueryRetrieveInformationModelFind
#define PATIENT_FIND mur_uid_PatientRootQueryRetrieveInformationModelFind

struct found {
    unsigned count;
    uint16_t status, pending_status;
    char comment[65];
    struct mur_buffer first; /* Data Set of the first answer */
};

static struct found find(struct node *node, const char *model, const struct key *keys, size_t count)
{
    struct found found = {.first = MUR_BUFFER_INIT};
    struct mur_association *association = connect_for(node, model);
    struct mur_command request = command_for(MUR_C_FIND_RQ, model);
    send_request(association, &request, keys, count);
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_command response;
    while (response = read_response(association, &data),
           mur_dimse_status_is_pending(response.status)) {
        found.pending_status = response.status;
        if (found.count++ == 0)
            assert_int_equal(mur_buffer_append(&found.first, data.data, data.length, NULL), MUR_OK);
    }
    found.status = response.status;
    memcpy(found.comment, response.error_comment, sizeof(found.comment));
    release_client(association);
    return found;
}

static unsigned count_studies(struct node *node, uint32_t tag, enum mur_vr vr, const char *text)
{
    struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"}, {tag, vr, text}};
    struct found found = find(node, STUDY_FIND, keys, 2);
    mur_buffer_free(&found.first);
    assert_int_equal(found.status, 0);
    return found.count;
}

static void store_one(struct node *node, const struct object *object)
{
    struct mur_association *association = connect_for(node, object->sop_class);
    assert_int_equal(store_object(association, object).status, 0);
    release_client(association);
}

static void every_way_of_matching_works_over_the_wire(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 3, 2);
    assert_int_equal(count_studies(&node, MUR_TAG_PatientID, MUR_VR_LO, "M2"), 1);
    assert_int_equal(count_studies(&node, MUR_TAG_PatientID, MUR_VR_LO, "M?"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_PatientID, MUR_VR_LO, "%"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_PatientName, MUR_VR_PN, "mouse*"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyDate, MUR_VR_DA, "20240501-20240531"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyDate, MUR_VR_DA, "20240507-"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1\\1.2.3.3"),
                     2);
    assert_int_equal(count_studies(&node, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "CT"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "MR"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "CT\\MR"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_ModalitiesInStudy, MUR_VR_CS, "PT\\MR"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyDate, MUR_VR_DA, "-20240506"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyTime, MUR_VR_TM, "1015-"), 3);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyTime, MUR_VR_TM, "101501-"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyDescription, MUR_VR_LO, "thorax"), 0);
    assert_int_equal(count_studies(&node, MUR_TAG_StudyID, MUR_VR_SH, ""), 3);
    stop_node(&node);
}

static void answers_have_the_keys_asked_for_and_the_level(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 2);
    struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "SERIES"},
                         {MUR_TAG_Modality, MUR_VR_CS, ""},
                         {MUR_TAG_PatientID, MUR_VR_LO, ""},
                         {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"},
                         {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, ""},
                         {MUR_TAG_NumberOfSeriesRelatedInstances, MUR_VR_IS, ""}};
    struct found found = find(&node, PATIENT_FIND, keys, MUR_COUNT(keys));
    assert_int_equal(found.status, 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.pending_status, 0xFF00);
    assert_true(holds(&found.first, "SERIES"));
    assert_true(holds(&found.first, "1.2.3.1.1"));
    assert_true(holds(&found.first, "M1"));
    assert_true(holds(&found.first, "MURPACS")); /* Retrieve AE Title */
    assert_true(holds(&found.first, "IS\2\0002 "));
    mur_buffer_free(&found.first);
    stop_node(&node);
}

static void identifiers_of_no_use_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    struct key patient[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "PATIENT"}};
    struct key nowhere[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "NOWHERE"}};
    struct key no_level[] = {{MUR_TAG_PatientID, MUR_VR_LO, "M1"}};
    const struct {
        const char *model;
        const struct key *keys;
        size_t count;
    } cases[] = {{STUDY_FIND, patient, 1},
                 {STUDY_FIND, nowhere, 1},
                 {PATIENT_FIND, no_level, 1},
                 {PATIENT_FIND, NULL, 0}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct found found = find(&node, cases[i].model, cases[i].keys, cases[i].count);
        assert_int_equal(found.status, 0xA900);
        assert_int_equal(found.count, 0);
        assert_true(strlen(found.comment) > 0);
    }
    /* bytes that are no Data Set; and after it the association is up */
    struct mur_association *association = connect_for(&node, STUDY_FIND);
    struct mur_command request = command_for(MUR_C_FIND_RQ, STUDY_FIND);
    request.message_id = 3;
    request.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY;
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mur_message_write(association, 1, &request, "garbage, no more", 16,
                                           NODE_PATIENCE_MS, NULL),
                         MUR_OK);
        assert_int_equal(read_response(association, &data).status, 0xC000);
    }
    release_client(association);
    stop_node(&node);
}

static void keys_that_are_not_supported_are_announced(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 1, 1);
    struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                         {MUR_TAG_PatientID, MUR_VR_LO, "M1"},
                         {MUR_TAG(0x0018, 0x9073), MUR_VR_FD, ""}}; /* Acquisition Duration */
    struct found found = find(&node, STUDY_FIND, keys, MUR_COUNT(keys));
    assert_int_equal(found.status, 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.pending_status, 0xFF01);
    mur_buffer_free(&found.first);
    stop_node(&node);
}

static void names_of_other_alphabets_are_found_and_labelled(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct object object = CT_OBJECT;
    object.patient_name = "M\xC3\xBCller^Zo\xC3\xAB";
    store_one(&node, &object);
    /* asked for in Latin-1 */
    struct key keys[] = {{MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 100"},
                         {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                         {MUR_TAG_PatientName, MUR_VR_PN, "M\xFCller*"}};
    struct found found = find(&node, STUDY_FIND, keys, MUR_COUNT(keys));
    assert_int_equal(found.count, 1);
    assert_true(holds(&found.first, "ISO_IR 192"));
    assert_true(holds(&found.first, "M\xC3\xBCller^Zo\xC3\xAB"));
    mur_buffer_free(&found.first);
    stop_node(&node);
}

/* Text of one key in the character sets of its request. */
static unsigned count_named(struct node *node, const char *sets, const char *name)
{
    struct key keys[] = {{MUR_TAG_SpecificCharacterSet, MUR_VR_CS, sets},
                         {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                         {MUR_TAG_PatientName, MUR_VR_PN, name}};
    struct found found = find(node, STUDY_FIND, keys, MUR_COUNT(keys));
    mur_buffer_free(&found.first);
    assert_int_equal(found.status, 0);
    return found.count;
}

static void names_are_asked_for_by_group_and_component_in_the_sets_of_the_request(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct object japanese = CT_OBJECT, chinese = CT_OBJECT;
    japanese.patient_name = "Yamada^Tarou=山田^太郎=やまだ^たろう";
    chinese.patient_name = "Wang^XiaoDong=王^小东";
    chinese.study = "1.2.3.4.2";
    chinese.series = "1.2.3.4.2.1";
    chinese.sop_instance = "1.2.3.4.2.1.1";
    chinese.patient_id = "M2";
    store_one(&node, &japanese);
    store_one(&node, &chinese);
    static const struct {
        const char *sets, *name;
        unsigned count;
    } cases[] = {
        {"ISO_IR 192", "yamada*", 1},
        {"ISO_IR 192", "YAMADA^TAROU", 1},
        {"ISO_IR 192", "*^Tarou", 1},
        {"ISO_IR 192", "=山田*", 1},
        {"ISO_IR 192", "==やまだ*", 1},
        {"ISO_IR 192", "=*^小东", 1},
        {"ISO_IR 192", "wang*=王*", 1},
        {"\\ISO 2022 IR 87", "=\x1B$B;3ED\x1B(B^*", 1},
        {"\\ISO 2022 IR 87", "Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B", 1},
        {"GB18030", "=\xCD\xF5^*", 1},
        {"GB18030", "=\xCD\xF5^\xD0\xA1\xB6\xAB", 1},
        {"GBK", "=\xCD\xF5*", 1},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        unsigned count = count_named(&node, cases[i].sets, cases[i].name);
        if (count != cases[i].count)
            fail_msg("%s in %s: %u answers", cases[i].name, cases[i].sets, count);
    }
    stop_node(&node);
}

static void what_is_counted_and_gathered_answers_at_its_level(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct object object = CT_OBJECT;
    static const char *const series[] = {"1.2.3.4.1.1", "1.2.3.4.1.1", "1.2.3.4.1.2"};
    static const char *const images[] = {"1.2.3.4.1.1.1", "1.2.3.4.1.1.2", "1.2.3.4.1.2.1"};
    for (int i = 0; i < 3; i++) {
        object.series = series[i];
        object.sop_instance = images[i];
        object.sop_class = i == 2 ? mur_uid_MRImageStorage : CT_STORAGE;
        object.modality = i == 2 ? "MR" : "CT";
        store_one(&node, &object);
    }
#define BYTES(text) text, sizeof(text) - 1
    const struct {
        const char *level;
        struct key key;
        const char *element; /* as it stands in the answer */
        size_t length;
    } cases[] = {
        {"PATIENT",
         {MUR_TAG_NumberOfPatientRelatedStudies, MUR_VR_IS, ""},
         BYTES("\x20\0\0\x12IS\2\0001 ")},
        {"PATIENT",
         {MUR_TAG_NumberOfPatientRelatedSeries, MUR_VR_IS, ""},
         BYTES("\x20\0\2\x12IS\2\0002 ")},
        {"PATIENT",
         {MUR_TAG_NumberOfPatientRelatedInstances, MUR_VR_IS, ""},
         BYTES("\x20\0\4\x12IS\2\0003 ")},
        {"STUDY",
         {MUR_TAG_NumberOfStudyRelatedSeries, MUR_VR_IS, ""},
         BYTES("\x20\0\6\x12IS\2\0002 ")},
        {"STUDY",
         {MUR_TAG_NumberOfStudyRelatedInstances, MUR_VR_IS, ""},
         BYTES("\x20\0\x08\x12IS\2\0003 ")},
        {"SERIES",
         {MUR_TAG_NumberOfSeriesRelatedInstances, MUR_VR_IS, ""},
         BYTES("\x20\0\x09\x12IS\2\0002 ")},
        {"STUDY", {MUR_TAG_ModalitiesInStudy, MUR_VR_CS, ""}, BYTES("\x08\0\x61\0CS\6\0CT\\MR ")},
        {"STUDY", {MUR_TAG_SOPClassesInStudy, MUR_VR_UI, ""}, BYTES(CT_STORAGE "\\")},
        {"SERIES", {MUR_TAG_InstanceAvailability, MUR_VR_CS, ""}, BYTES("ONLINE")},
        {"IMAGE", {MUR_TAG_InstanceAvailability, MUR_VR_CS, ""}, BYTES("ONLINE")},
    };
#undef BYTES
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct key keys[] = {cases[i].key, {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, cases[i].level}};
        if (keys[0].tag > MUR_TAG_QueryRetrieveLevel) {
            keys[1] = cases[i].key;
            keys[0] = (struct key){MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, cases[i].level};
        }
        struct found found = find(&node, PATIENT_FIND, keys, 2);
        assert_int_equal(found.pending_status, 0xFF00);
        assert_int_equal(found.status, 0);
        if (memmem(found.first.data, found.first.length, cases[i].element, cases[i].length) == NULL)
            fail_msg("%08X of level %s", cases[i].key.tag, cases[i].level);
        mur_buffer_free(&found.first);
    }
    stop_node(&node);
}

static void thousands_of_uids_in_one_key_are_matched(void **state)
{
    (void)state;
    enum { UIDS = 5000 };
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 2, 1);
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    for (unsigned i = 0; i < UIDS; i++)
        assert_int_equal(
            mur_buffer_append_format(&list, NULL, "1.2.3.%u.9.9.9.9.9.9.9.9.9\\", 1000000 + i),
            MUR_OK);
    assert_int_equal(mur_buffer_append_text(&list, "1.2.3.2", NULL), MUR_OK);
    /* Implicit VR: an explicit UI could not be that long */
    const struct mur_context_proposal context = {STUDY_FIND, implicit_only, 1, MUR_ROLE_DEFAULT};
    struct mur_association *association = connect_client(&node, "CLIENT", &context, 1);
    MUR_AUTO_BUFFER struct mur_buffer identifier = MUR_BUFFER_INIT;
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, &identifier, IMPLICIT_LITTLE, NULL), MUR_OK);
    assert_int_equal(
        mur_encode_text(&encoder, MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY", NULL), MUR_OK);
    assert_int_equal(mur_encode_text(&encoder, MUR_TAG_StudyInstanceUID, MUR_VR_UI,
                                     mur_buffer_text(&list), NULL),
                     MUR_OK);
    struct mur_command request = command_for(MUR_C_FIND_RQ, STUDY_FIND);
    request.message_id = 3;
    request.has = MUR_HAS_AFFECTED_SOP_CLASS | MUR_HAS_MESSAGE_ID | MUR_HAS_PRIORITY;
    assert_int_equal(mur_message_write(association, 1, &request, identifier.data, identifier.length,
                                       NODE_PATIENCE_MS, NULL),
                     MUR_OK);
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    assert_true(mur_dimse_status_is_pending(read_response(association, &data).status));
    assert_int_equal(read_response(association, &data).status, 0);
    release_client(association);
    stop_node(&node);
}

static void a_query_is_cancelled_and_the_association_goes_on(void **state)
{
    (void)state;
    enum { STUDIES = 600 };
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, STUDIES, 1);
    struct mur_association *association = connect_for(&node, STUDY_FIND);
    struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                         {MUR_TAG_PatientName, MUR_VR_PN, ""},
                         {MUR_TAG_PatientID, MUR_VR_LO, ""},
                         {MUR_TAG_StudyInstanceUID, MUR_VR_UI, ""}};
    struct mur_command request = command_for(MUR_C_FIND_RQ, STUDY_FIND);
    send_request_and_cancel(association, &request, keys, MUR_COUNT(keys));
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    unsigned answers = 0;
    struct mur_command response;
    while (response = read_response(association, &data),
           mur_dimse_status_is_pending(response.status))
        answers++;
    assert_int_equal(response.status, 0xFE00);
    assert_true(answers < STUDIES);
    send_request(association, &request, keys, MUR_COUNT(keys));
    answers = 0;
    while (response = read_response(association, &data),
           mur_dimse_status_is_pending(response.status))
        answers++;
    assert_int_equal(response.status, 0);
    assert_int_equal(answers, STUDIES);
    struct mur_command cancel = {
        .field = MUR_C_CANCEL_RQ, .has = MUR_HAS_RESPONDED_MESSAGE_ID, .responded_message_id = 7};
    /* A C-CANCEL that comes too late does no harm. */
    assert_int_equal(mur_message_write(association, 1, &cancel, NULL, 0, NODE_PATIENCE_MS, NULL),
                     MUR_OK);
    release_client(association);
    stop_node(&node);
}

static void who_may_not_read_gets_no_context(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, "dicom.unknown_peers=w");
    add_peer(&node, "READER", 104, MUR_RIGHTS_READ);
    run_node(&node);
    const struct mur_context_proposal proposals[] = {
        {STUDY_FIND, explicit_only, 1, MUR_ROLE_DEFAULT},
        {CT_STORAGE, explicit_only, 1, MUR_ROLE_DEFAULT},
        {VERIFICATION, explicit_only, 1, MUR_ROLE_DEFAULT}};
    static const struct {
        const char *calling;
        enum mur_context_result results[3];
    } cases[] = {
        {"STRANGER", {MUR_CONTEXT_USER_REJECTION, MUR_CONTEXT_ACCEPTED, MUR_CONTEXT_ACCEPTED}},
        {"READER", {MUR_CONTEXT_ACCEPTED, MUR_CONTEXT_USER_REJECTION, MUR_CONTEXT_ACCEPTED}},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_association *association = connect_client(&node, cases[i].calling, proposals, 3);
        for (size_t k = 0; k < 3; k++) {
            struct mur_presentation_context context;
            assert_true(mur_association_get_context(&context, association, k));
            assert_int_equal(context.result, cases[i].results[k]);
        }
        release_client(association);
    }
    stop_node(&node);
}

static void findscu_finds(void **state)
{
    (void)state;
    if (!has_program("findscu"))
        skip();
    struct node node;
    start_node(&node, NULL);
    fill_node(&node, 3, 1);
    char port[8], output[16384];
    (void)snprintf(port, sizeof(port), "%u", mur_scp_port(node.scp));
    const char *arguments[] = {"findscu", "-S",
                               "-k",      "QueryRetrieveLevel=STUDY",
                               "-k",      "PatientName=Mouse*",
                               "-k",      "StudyDate=20240101-20241231",
                               "-k",      "PatientID",
                               "-v",      "127.0.0.1",
                               port,      NULL};
    assert_int_equal(run_program(arguments, 20, output, sizeof(output)), 0);
    assert_non_null(strstr(output, "Find Response: 3"));
    assert_null(strstr(output, "Find Response: 4"));
    assert_non_null(strstr(output, "Mouse^One"));
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_matching_works_over_the_wire),
        cmocka_unit_test(answers_have_the_keys_asked_for_and_the_level),
        cmocka_unit_test(identifiers_of_no_use_are_refused_with_a_reason),
        cmocka_unit_test(keys_that_are_not_supported_are_announced),
        cmocka_unit_test(names_of_other_alphabets_are_found_and_labelled),
        cmocka_unit_test(names_are_asked_for_by_group_and_component_in_the_sets_of_the_request),
        cmocka_unit_test(what_is_counted_and_gathered_answers_at_its_level),
        cmocka_unit_test(thousands_of_uids_in_one_key_are_matched),
        cmocka_unit_test(a_query_is_cancelled_and_the_association_goes_on),
        cmocka_unit_test(who_may_not_read_gets_no_context),
        cmocka_unit_test(findscu_finds),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}
