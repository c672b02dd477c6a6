/* A client that asks and then reads nothing must cost nobody else anything: above all it must not
 * pin the index's write-ahead log, which would grow with all that is stored meanwhile. */
#include "scp_support.h"

enum {
    BEFORE = 10000,    /* instances that are asked for: their answers fill every socket buffer */
    MEANWHILE = 10000, /* with a snapshot held open: a log of more than 100 MB */
    UNDER_WAY = 256,
    WAL_LIMIT = 64 << 20,
};

#define STUDY_FIND mur_uid_StudyRootQueryRetrieveInformationModelFind

static char long_text[1024]; /* makes an answer of more than 1 kB */

/* Several ingests under way at once share a commit, as those of several associations do. */
static void store_many(struct node *node, const char *study, int count, off_t *longest_log)
{
    static struct mur_ingest *ingests[UNDER_WAY];
    char log_path[128];
    (void)snprintf(log_path, sizeof(log_path), "%s/index.sqlite-wal", node->directory);
    const struct mur_origin origin = {.how = "test"};
    for (int done = 0; done < count;) {
        int batch = 0;
        for (; batch < UNDER_WAY && done < count; batch++, done++) {
            char series[32], instance[64];
            (void)snprintf(series, sizeof(series), "%s.%d", study, done / 500);
            (void)snprintf(instance, sizeof(instance), "%s.%d", series, done);
            struct object object = CT_OBJECT;
            object.study = study;
            object.series = series;
            object.sop_instance = instance;
            object.pixels = 2;
            object.patient_name = long_text;
            MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
            encode_object(&bytes, &object, EXPLICIT_LITTLE);
            struct mur_error error = MUR_ERROR_INIT;
            if (mur_ingest_begin(&ingests[batch], node->archive, CT_STORAGE, instance,
                                 EXPLICIT_LITTLE, &origin, &error) != MUR_OK ||
                mur_ingest_write(ingests[batch], bytes.data, bytes.length, &error) != MUR_OK ||
                mur_ingest_submit(ingests[batch], &error) != MUR_OK)
                fail_msg("%s", error.message);
        }
        for (int i = 0; i < batch; i++) {
            enum mur_ingest_outcome outcome;
            assert_int_equal(mur_ingest_wait(&outcome, ingests[i], NULL), MUR_OK);
            mur_ingest_free(ingests[i]);
        }
        struct stat details;
        if (stat(log_path, &details) == 0 && details.st_size > *longest_log)
            *longest_log = details.st_size;
    }
}

static void a_reader_that_stalls_does_not_let_the_log_of_the_index_grow(void **state)
{
    (void)state;
    struct node node = {0};
    start_node(&node, "dicom.idle_timeout_s=600");
    memset(long_text, 'x', sizeof(long_text) - 1);
    off_t longest_log = 0;
    store_many(&node, "1.2.3.1", BEFORE, &longest_log);

    struct mur_association *client = connect_for(&node, STUDY_FIND);
    const struct key keys[] = {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""},
                               {MUR_TAG_QueryRetrieveLevel, MUR_VR_CS, "IMAGE"},
                               {MUR_TAG_PatientName, MUR_VR_PN, ""},
                               {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3.1"}};
    struct mur_command request = command_for(MUR_C_FIND_RQ, STUDY_FIND);
    send_request(client, &request, keys, MUR_COUNT(keys));
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    struct mur_command response = read_response(client, &data); /* it has begun */
    assert_int_equal(response.status, 0xFF00);
    store_many(&node, "1.2.3.2", MEANWHILE, &longest_log);
    assert_in_range(longest_log, 1, WAL_LIMIT);

    int answers = 0; /* and what it asked for is all there when it wakes up */
    for (; response.status == 0xFF00; answers++)
        response = read_response(client, &data);
    assert_int_equal(response.status, 0);
    assert_int_equal(answers, BEFORE);
    release_client(client);
    stop_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_stalls_does_not_let_the_log_of_the_index_grow),
    };
    return end_of_tests(cmocka_run_group_tests(tests, NULL, NULL));
}
