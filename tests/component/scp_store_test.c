/* C-STORE and C-ECHO against a node: what is taken, what is refused, and what is left behind. */
#include "scp_support.h"

static void dcmtk_echoes_and_stores(void **state)
{
    (void)state;
    if (!has_program("storescu") || !has_program("echoscu"))
        skip();
    struct node node;
    start_node(&node, NULL);
    char port[8], path[128], output[8192];
    (void)snprintf(port, sizeof(port), "%u", mur_scp_port(node.scp));
    (void)snprintf(path, sizeof(path), "%s/object.dcm", node.directory);
    struct object object = CT_OBJECT;
    write_file(path, &object, EXPLICIT_LITTLE);
    const char *echo[] = {"echoscu", "127.0.0.1", port, NULL};
    assert_int_equal(run_program(echo, 20, output, sizeof(output)), 0);
    const char *store[] = {"storescu", "127.0.0.1", port, path, NULL};
    assert_int_equal(run_program(store, 20, output, sizeof(output)), 0);
    assert_int_equal(instances_of(&node), 1);
    const char *again[] = {"storescu", "--max-pdu", "4096", "--max-send-pdu", "4096", "127.0.0.1",
                           port,       path,        NULL};
    assert_int_equal(run_program(again, 20, output, sizeof(output)), 0);
    assert_int_equal(instances_of(&node), 1);
    stop_node(&node);
}

static void real_objects_in_many_syntaxes_are_stored(void **state)
{
    (void)state;
    static const char *const names[] = {"CT_small.dcm",
                                        "MR_small_RLE.dcm",
                                        "MR_small_bigendian.dcm",
                                        "MR_small_implicit.dcm",
                                        "MR_small_jpeg_ls_lossless.dcm",
                                        "MR_small_padded.dcm",
                                        "image_dfl.dcm"};
    const char *folder = getenv("MURPACS_TESTDATA");
    struct node node;
    start_node(&node, NULL);
    int64_t stored = 0;
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/dicom/%s",
                       folder != NULL && *folder != '\0' ? folder
                                                         : MUR_SOURCE_DIR "/../shared/testdata",
                       names[i]);
        MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            stop_node(&node);
            skip();
        }
        struct mur_part10 head;
        assert_int_equal(mur_part10_read(&head, descriptor, path, NULL), MUR_OK);
        const char *syntax = head.transfer_syntax;
        const struct mur_context_proposal context = {.abstract_syntax = head.sop_class,
                                                     .transfer_syntaxes = &syntax,
                                                     .transfer_syntax_count = 1};
        struct mur_association *association = connect_client(&node, "CLIENT", &context, 1);
        MUR_AUTO(mur_store_sender) *sender = NULL;
        assert_int_equal(mur_store_sender_create(&sender, association, NULL), MUR_OK);
        struct mur_store_operation operation = {.context_id = 1,
                                                .message_id = 1,
                                                .sop_class_uid = head.sop_class,
                                                .sop_instance_uid = head.sop_instance,
                                                .timeout_ms = NODE_PATIENCE_MS};
        struct stat details;
        assert_int_equal(fstat(descriptor, &details), 0);
        struct mur_store_source source = {.fd = descriptor,
                                          .offset = head.offset,
                                          .length = (uint64_t)details.st_size - head.offset};
        struct mur_command response;
        assert_int_equal(mur_store_send(&response, sender, &operation, &source, NULL), MUR_OK);
        /* Some are the same MR in other clothes: the same content, or other content, refused. */
        assert_true(response.status == 0 || response.status == 0x0111);
        stored += response.status == 0;
        release_client(association);
    }
    assert_true(instances_of(&node) >= 2);
    assert_true(instances_of(&node) <= stored);
    stop_node(&node);
}

static void the_same_again_is_success_and_other_content_is_refused(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    struct object object = CT_OBJECT;
    assert_int_equal(store_object(association, &object).status, 0);
    assert_int_equal(store_object(association, &object).status, 0);
    object.description = "Another";
    struct mur_command response = store_object(association, &object);
    assert_int_equal(response.status, 0x0111);
    assert_true(strlen(response.error_comment) > 0);
    assert_int_equal(instances_of(&node), 1);
    release_client(association);
    stop_node(&node);
}

static void what_is_no_object_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    struct object object = CT_OBJECT;
    object.study = NULL;
    assert_int_equal(store_object(association, &object).status & 0xFF00, 0xA900);
    struct object no_instance = CT_OBJECT;
    no_instance.sop_instance = "1.2.3.4.9";
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, &no_instance, EXPLICIT_LITTLE);
    /* announced under another UID than its own */
    assert_int_equal(
        store_bytes(association, CT_STORAGE, "1.2.3.5", bytes.data, bytes.length).status & 0xFF00,
        0xA900);
    /* cut in the middle of an element */
    assert_int_equal(store_bytes(association, CT_STORAGE, "1.2.3.4.9", bytes.data, 111).status,
                     0xC000);
    assert_int_equal(store_bytes(association, CT_STORAGE, "1.2.3.4.9", "garbage!", 8).status,
                     0xC000);
    /* no UID that could name a file */
    assert_true(
        store_bytes(association, CT_STORAGE, "../../../etc", bytes.data, bytes.length).status >=
        0xA900);
    assert_int_equal(instances_of(&node), 0);
    /* the association is as good as before */
    struct object good = CT_OBJECT;
    assert_int_equal(store_object(association, &good).status, 0);
    release_client(association);
    assert_int_equal(instances_of(&node), 1);
    assert_int_equal(objects_of(&node), 1);
    stop_node(&node);
}

static void a_sender_that_vanishes_leaves_nothing(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, NULL);
    struct object object = CT_OBJECT;
    object.pixels = 2000000;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    for (int way = 0; way < 2; way++) {
        struct mur_association *association = connect_for(&node, CT_STORAGE);
        begin_store(association, object.sop_instance, bytes.data, bytes.length / 2);
        if (way == 0)
            mur_association_abort(association);
        mur_association_free(association);
    }
    for (int i = 0; i < 40 * SOON_S && mur_scp_association_count(node.scp) > 0; i++)
        (void)usleep(25000);
    assert_int_equal(mur_scp_association_count(node.scp), 0);
    assert_int_equal(instances_of(&node), 0);
    assert_int_equal(objects_of(&node), 0);
    stop_node(&node);
}

static void contexts_get_the_right_results(void **state)
{
    (void)state;
    static const char *const unknown[] = {"1.2.3.4.5.6"};
    static const char *const htj2k[] = {"1.2.840.10008.1.2.4.201"};
    static const char *const preferred[] = {"1.2.840.10008.1.2.4.70", EXPLICIT_LITTLE};
    static const struct {
        struct mur_context_proposal proposal;
        enum mur_context_result result;
        const char *syntax;
    } cases[] = {
        {{VERIFICATION, explicit_only, 1, MUR_ROLE_DEFAULT}, MUR_CONTEXT_ACCEPTED, EXPLICIT_LITTLE},
        {{VERIFICATION, unknown, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED,
         NULL},
        {{CT_STORAGE, unknown, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED,
         NULL},
        {{CT_STORAGE, htj2k, 1, MUR_ROLE_DEFAULT}, MUR_CONTEXT_ACCEPTED, "1.2.840.10008.1.2.4.201"},
        {{CT_STORAGE, preferred, 2, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_ACCEPTED,
         "1.2.840.10008.1.2.4.70"},
        {{"1.2.3.4.5", explicit_only, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED,
         NULL},
        /* Modality Performed Procedure Step: known, not offered */
        {{"1.2.840.10008.3.1.2.3.3", explicit_only, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED,
         NULL},
        /* a storage class of tomorrow, and a maker's own */
        {{"1.2.840.10008.5.1.4.1.1.999", explicit_only, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_ACCEPTED,
         EXPLICIT_LITTLE},
        {{"1.3.12.2.1107.5.9.1", explicit_only, 1, MUR_ROLE_DEFAULT},
         MUR_CONTEXT_ACCEPTED,
         EXPLICIT_LITTLE},
    };
    struct node node;
    start_node(&node, NULL);
    struct mur_context_proposal proposals[MUR_COUNT(cases)];
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        proposals[i] = cases[i].proposal;
    struct mur_association *association =
        connect_client(&node, "CLIENT", proposals, MUR_COUNT(cases));
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_presentation_context context;
        assert_true(mur_association_get_context(&context, association, i));
        assert_int_equal(context.result, cases[i].result);
        if (cases[i].syntax != NULL)
            assert_string_equal(context.accepted_transfer_syntax, cases[i].syntax);
    }
    release_client(association);
    stop_node(&node);
}

static void each_of_128_contexts_is_answered_for_itself(void **state)
{
    (void)state;
    static const char *const unknown[] = {"1.2.3.4.5.6"};
    static const char *const both[] = {"1.2.3.4.5.6", IMPLICIT_LITTLE, EXPLICIT_LITTLE};
    static const struct {
        struct mur_context_proposal proposal;
        enum mur_context_result result;
    } kinds[] = {
        {{CT_STORAGE, both, 3, MUR_ROLE_DEFAULT}, MUR_CONTEXT_ACCEPTED},
        {{CT_STORAGE, unknown, 1, MUR_ROLE_DEFAULT}, MUR_CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED},
        {{"1.2.3.4.5", both, 3, MUR_ROLE_DEFAULT}, MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED},
        {{VERIFICATION, both, 3, MUR_ROLE_DEFAULT}, MUR_CONTEXT_ACCEPTED},
    };
    struct mur_context_proposal proposals[MUR_MAX_PRESENTATION_CONTEXTS];
    for (size_t i = 0; i < MUR_COUNT(proposals); i++)
        proposals[i] = kinds[i % 4].proposal;
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association =
        connect_client(&node, "CLIENT", proposals, MUR_COUNT(proposals));
    for (size_t i = 0; i < MUR_COUNT(proposals); i++) {
        struct mur_presentation_context context;
        assert_true(mur_association_get_context(&context, association, i));
        assert_int_equal(context.id, 2 * i + 1);
        assert_int_equal(context.result, kinds[i % 4].result);
        if (context.result == MUR_CONTEXT_ACCEPTED)
            assert_string_equal(context.accepted_transfer_syntax, IMPLICIT_LITTLE);
    }
    /* and the last one is as good as the first */
    struct mur_command request = command_for(MUR_C_ECHO_RQ, VERIFICATION);
    request.has |= MUR_HAS_MESSAGE_ID;
    assert_int_equal(mur_message_write(association, 255, &request, NULL, 0, NODE_PATIENCE_MS, NULL),
                     MUR_OK);
    MUR_AUTO_BUFFER struct mur_buffer none = MUR_BUFFER_INIT;
    assert_int_equal(read_response(association, &none).status, 0);
    release_client(association);
    stop_node(&node);
}

static void roles_are_granted_as_far_as_rights_go(void **state)
{
    (void)state;
    struct node node;
    make_node(&node, "dicom.unknown_peers=");
    add_peer(&node, "READER", 104, MUR_RIGHTS_READ);
    add_peer(&node, "WRITER", 104, MUR_RIGHTS_WRITE);
    add_peer(&node, "BOTH", 104, MUR_RIGHTS_BOTH);
    run_node(&node);
    static const struct {
        const char *calling;
        enum mur_role proposed;
        enum mur_context_result result;
        enum mur_role accepted;
    } cases[] = {
        {"BOTH", MUR_ROLE_DEFAULT, MUR_CONTEXT_ACCEPTED, MUR_ROLE_DEFAULT},
        {"BOTH", MUR_ROLE_SCU, MUR_CONTEXT_ACCEPTED, MUR_ROLE_SCU},
        {"BOTH", MUR_ROLE_SCP, MUR_CONTEXT_ACCEPTED, MUR_ROLE_SCP},
        {"BOTH", MUR_ROLE_BOTH, MUR_CONTEXT_ACCEPTED, MUR_ROLE_BOTH},
        {"READER", MUR_ROLE_BOTH, MUR_CONTEXT_ACCEPTED, MUR_ROLE_SCP},
        {"READER", MUR_ROLE_SCU, MUR_CONTEXT_USER_REJECTION, MUR_ROLE_DEFAULT},
        {"WRITER", MUR_ROLE_BOTH, MUR_CONTEXT_ACCEPTED, MUR_ROLE_SCU},
        {"WRITER", MUR_ROLE_SCP, MUR_CONTEXT_USER_REJECTION, MUR_ROLE_DEFAULT},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        const struct mur_context_proposal proposal = {CT_STORAGE, explicit_only, 1,
                                                      cases[i].proposed};
        struct mur_association *association = connect_client(&node, cases[i].calling, &proposal, 1);
        struct mur_presentation_context context;
        assert_true(mur_association_get_context(&context, association, 0));
        assert_int_equal(context.result, cases[i].result);
        if (context.result == MUR_CONTEXT_ACCEPTED)
            assert_int_equal(context.accepted_role, cases[i].accepted);
        /* who is to receive here does not send here */
        const struct object object = CT_OBJECT;
        if (context.result == MUR_CONTEXT_ACCEPTED)
            assert_int_equal(store_object(association, &object).status,
                             cases[i].accepted == MUR_ROLE_SCP ? 0x0124 : 0);
        release_client(association);
    }
    stop_node(&node);
}

static void what_becomes_of_other_content_under_a_stored_uid_is_configured(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        uint16_t status;
        const char *kept;
    } cases[] = {{"dicom.duplicates=keep", 0x0111, "Thorax"},
                 {"dicom.duplicates=replace", 0, "Another"},
                 {"dicom.duplicates=replace_changed", 0, "Another"}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct node node;
        start_node(&node, cases[i].setting);
        struct mur_association *association = connect_for(&node, CT_STORAGE);
        struct object object = CT_OBJECT;
        assert_int_equal(store_object(association, &object).status, 0);
        object.description = "Another";
        assert_int_equal(store_object(association, &object).status, cases[i].status);
        release_client(association);
        assert_int_equal(instances_of(&node), 1);
        const char *model = mur_uid_StudyRootQueryRetrieveInformationModelFind;
        association = connect_for(&node, model);
        const struct key keys[] = {{MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "STUDY"},
                                   {MUR_TAG_StudyDescription, MUR_VR_LO, ""}};
        struct mur_command request = command_for(MUR_C_FIND_RQ, model);
        send_request(association, &request, keys, 2);
        MUR_AUTO_BUFFER struct mur_buffer answer = MUR_BUFFER_INIT;
        assert_int_equal(read_response(association, &answer).status, 0xFF00);
        assert_true(holds(&answer, cases[i].kept));
        assert_int_equal(read_response(association, &answer).status, 0);
        release_client(association);
        stop_node(&node);
    }
}

static void unknown_classes_are_refused_when_the_switch_is_off(void **state)
{
    (void)state;
    struct node node;
    start_node(&node, "dicom.accept_unknown_sop_classes=false");
    const struct mur_context_proposal proposals[] = {
        {CT_STORAGE, explicit_only, 1, MUR_ROLE_DEFAULT},
        {"1.3.12.2.1107.5.9.1", explicit_only, 1, MUR_ROLE_DEFAULT}};
    struct mur_association *association = connect_client(&node, "CLIENT", proposals, 2);
    struct mur_presentation_context context;
    assert_true(mur_association_get_context(&context, association, 1));
    assert_int_equal(context.result, MUR_CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED);
    release_client(association);
    stop_node(&node);
}

static void an_object_of_a_future_syntax_and_class_is_kept_as_it_is(void **state)
{
    (void)state;
    static const char *const htj2k[] = {"1.2.840.10008.1.2.4.201"};
    struct node node;
    start_node(&node, NULL);
    const struct mur_context_proposal proposal = {"1.2.840.10008.5.1.4.1.1.999", htj2k, 1,
                                                  MUR_ROLE_DEFAULT};
    struct mur_association *association = connect_client(&node, "CLIENT", &proposal, 1);
    struct object object = CT_OBJECT;
    object.sop_class = proposal.abstract_syntax;
    assert_int_equal(store_object(association, &object).status, 0);
    release_client(association);
    assert_int_equal(instances_of(&node), 1);
    stop_node(&node);
}

/* 134 MB from a file full of holes: the node, which is in this process, must not hold them. */
static void a_large_object_passes_through_little_memory(void **state)
{
    (void)state;
    enum { PIXELS = 134217728 };
    struct node node;
    start_node(&node, NULL);
    struct mur_association *association = connect_for(&node, CT_STORAGE);
    struct object small = CT_OBJECT; /* whatever is made once is made now */
    assert_int_equal(store_object(association, &small).status, 0);

    struct object object = CT_OBJECT;
    object.sop_instance = "1.2.3.4.1.1.2";
    object.pixels = 0;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode_object(&bytes, &object, EXPLICIT_LITTLE);
    uint8_t *length = (uint8_t *)bytes.data + bytes.length - 4;
    for (int i = 0; i < 4; i++)
        length[i] = (uint8_t)((uint32_t)PIXELS >> (8 * i));
    FILE *file = tmpfile();
    assert_int_equal(fwrite(bytes.data, 1, bytes.length, file), bytes.length);
    (void)fflush(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)bytes.length + PIXELS), 0);
    MUR_AUTO(mur_store_sender) *sender = NULL;
    assert_int_equal(mur_store_sender_create(&sender, association, NULL), MUR_OK);
    struct mur_store_operation operation = {.context_id = 1,
                                            .message_id = 1,
                                            .sop_class_uid = CT_STORAGE,
                                            .sop_instance_uid = object.sop_instance,
                                            .timeout_ms = NODE_PATIENCE_MS};
    struct mur_store_source source = {.fd = fileno(file), .length = bytes.length + PIXELS};
    struct mur_command response;
    size_t before = resident_bytes();
    assert_int_equal(mur_store_send(&response, sender, &operation, &source, NULL), MUR_OK);
    size_t after = resident_bytes();
    assert_int_equal(response.status, 0);
    assert_true(after < before + 20000000);
    (void)fclose(file);
    release_client(association);
    assert_int_equal(instances_of(&node), 2);
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dcmtk_echoes_and_stores),
        cmocka_unit_test(real_objects_in_many_syntaxes_are_stored),
        cmocka_unit_test(the_same_again_is_success_and_other_content_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused_and_leaves_nothing),
        cmocka_unit_test(a_sender_that_vanishes_leaves_nothing),
        cmocka_unit_test(contexts_get_the_right_results),
        cmocka_unit_test(each_of_128_contexts_is_answered_for_itself),
        cmocka_unit_test(roles_are_granted_as_far_as_rights_go),
        cmocka_unit_test(what_becomes_of_other_content_under_a_stored_uid_is_configured),
        cmocka_unit_test(unknown_classes_are_refused_when_the_switch_is_off),
        cmocka_unit_test(an_object_of_a_future_syntax_and_class_is_kept_as_it_is),
        cmocka_unit_test(a_large_object_passes_through_little_memory),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}
