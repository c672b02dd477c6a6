#include "tests/phantom/plan.h"

#include "tests/phantom/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ANIMALS_MAX = 100, SESSIONS_MAX = 200, SCANS_MAX = 300 };

bool kind_is_ct(const struct kind *kind)
{
    return kind->acquisition.sequence == CT_SCAN;
}

bool scan_has_organ(const struct scan *scan, const struct organ *organ)
{
    return organ->tissues != TISSUE(TUMOUR) || scan->session->traits.tumours > 0;
}

void scan_label_path(char out[PATH_SIZE], const struct scan *scan, const struct organ *organ)
{
    const struct session *session = scan->session;
    format_text(out, PATH_SIZE, "%s/%s/w%02u/%s_", session->animal->study->id,
                session->animal->name, session->week, scan->kind->name);
    size_t length = strlen(out);
    if (scan->style->outline == ONE_FILE)
        format_text(out + length, PATH_SIZE - length, "labels.nii.gz");
    else
        format_text(out + length, PATH_SIZE - length, "organs/%s.nii.gz", organ->file_name);
}

int scan_label_value(const struct scan *scan, const struct organ_label *label)
{
    return scan->style->outline == ONE_FILE ? label->value : 1;
}

/* The proleptic Gregorian calendar, counted in years that begin in March. */
void format_date(char out[16], int day, bool hyphens)
{
    int z = day + 719468;
    int era = z / 146097;
    int day_of_era = z - era * 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153;
    int day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    int calendar_month = month < 10 ? month + 3 : month - 9;
    int year = year_of_era + era * 400 + (calendar_month <= 2 ? 1 : 0);
    format_text(out, 16, hyphens ? "%04d-%02d-%02d" : "%04d%02d%02d", year, calendar_month,
                day_of_month);
}

static const struct group *group_of(const struct study *study, unsigned animal)
{
    unsigned first = 0;
    for (size_t g = 0; g < study->group_count; g++) {
        if (animal < first + study->groups[g].animals)
            return &study->groups[g];
        first += study->groups[g].animals;
    }
    die("no animal %u in %s", animal, study->id);
}

static struct animal *find_animal(struct plan *plan, const struct study *study, unsigned index)
{
    for (size_t a = 0; a < plan->animal_count; a++) {
        if (plan->animals[a].study == study && plan->animals[a].index == index)
            return &plan->animals[a];
    }
    if (plan->animal_count == ANIMALS_MAX)
        die("too many animals");
    struct animal *animal = &plan->animals[plan->animal_count++];
    animal->study = study;
    animal->group = group_of(study, index);
    animal->index = index;
    animal->seed = random_mix(random_mix_text(plan->seed, study->id), index);
    format_text(animal->name, sizeof animal->name, "%s%02u", study->animal_prefix, index + 1);
    format_text(animal->scanner_id, sizeof animal->scanner_id, "%s%02u", study->scanner_prefix,
                index + 11);
    return animal;
}

static double between(const double ends[2], double t)
{
    return ends[0] + t * (ends[1] - ends[0]);
}

/* Animals differ by a few per cent, always in the same way; a session adds the state of the day. */
static void set_traits(struct session *session, double progress)
{
    const struct group *group = session->animal->group;
    uint64_t own = random_mix(session->animal->seed, 1);
    uint64_t day = random_mix(session->seed, 2);
    struct traits *traits = &session->traits;
    double weight = random_between(&own, 20.3, 22.8) + group->extra_grams + 1.5 * progress +
                    random_between(&day, -0.3, 0.3);
    session->weight = round(10 * fmin(28, fmax(20, weight))) / 10;
    traits->seed = session->animal->seed;
    traits->meal = session->seed;
    traits->weight = session->weight;
    traits->liver = between(group->liver, progress) * random_between(&own, 0.97, 1.03);
    traits->fat = between(group->fat, progress) * random_between(&own, 0.92, 1.08);
    traits->spleen = group->spleen * random_between(&own, 0.95, 1.05);
    traits->tumours = group->tumours == 0 ? 0 : 1 + (unsigned)(random_next(&own) % group->tumours);
    traits->tumour_mm = random_between(&own, 1.3, 1.7) + 2.1 * progress;
    session->liver.fat = between(group->liver_fat, progress) * random_between(&own, 0.85, 1.15);
    session->liver.fibrosis = group->fibrosis;
}

/* Mice never lie quite straight. The mouse's @p centre_z is in the scanner's middle. */
static void set_pose(struct session *session)
{
    uint64_t state = random_mix(session->seed, 3);
    double degrees[3];
    for (int c = 0; c < 3; c++)
        degrees[c] = random_between(&state, -3, 3);
    rotation_make(session->pose.rotation, degrees);
    for (int c = 0; c < 3; c++)
        session->pose.offset[c] = random_between(&state, -0.8, 0.8);
    session->pose.offset[2] += session->animal->study->centre_z;
}

static struct session *find_session(struct plan *plan, const struct animal *animal,
                                    unsigned week_index)
{
    const struct study *study = animal->study;
    unsigned week = study->weeks[week_index];
    for (size_t s = 0; s < plan->session_count; s++) {
        if (plan->sessions[s].animal == animal && plan->sessions[s].week == week)
            return &plan->sessions[s];
    }
    if (plan->session_count == SESSIONS_MAX)
        die("too many sessions");
    struct session *session = &plan->sessions[plan->session_count++];
    session->animal = animal;
    session->week = week;
    session->seed = random_mix(animal->seed, 100 + week);
    format_text(session->sample, sizeof session->sample, "%s_w%02u", animal->name, week);
    session->day = study->first_day + (int)week * 7 + (int)(animal->index % 4);
    session->age_days = study->age_days + (int)week * 7 + (int)(animal->index % 4);
    set_traits(session, study->week_count > 1 ? week_index / (double)(study->week_count - 1) : 0.5);
    set_pose(session);
    return session;
}

static struct grid scan_grid(const struct scan *scan, const struct matrix *matrix)
{
    enum orientation orientation = scan->kind->orientation;
    if ((scan->style->flags & LEFT_HANDED) != 0)
        orientation = AXIAL_LAS;
    return grid_make(orientation, matrix->size, matrix->spacing,
                     (scan->style->flags & OBLIQUE) != 0 ? 14.0 : 0.0);
}

static void add_scan(struct plan *plan, const struct pick *pick)
{
    static const char *const endings[] = {
        [NII] = ".nii", [NII_GZ] = ".nii.gz", [DICOM_FOLDER] = ""};
    const struct study *study = &studies[pick->study];
    const struct animal *animal = find_animal(plan, study, pick->animal);
    if (plan->scan_count == SCANS_MAX)
        die("too many scans");
    struct scan *scan = &plan->scans[plan->scan_count++];
    scan->session = find_session(plan, animal, pick->week);
    scan->kind = &study->kinds[pick->kind];
    scan->style = &study->styles[pick->variant * study->kind_count + pick->kind];
    scan->number = pick->kind + 1;
    scan->seed = random_mix_text(scan->session->seed, scan->kind->name);
    scan->grid = scan_grid(scan, plan->full ? &scan->kind->full : &scan->kind->small);
    format_text(scan->name, sizeof scan->name, "%s_%s", scan->session->sample, scan->kind->name);
    format_text(scan->path, sizeof scan->path, "%s/%s/w%02u/%s%s", study->id, animal->name,
                scan->session->week, scan->kind->name, endings[scan->style->container]);
}

static void add_whole_study(struct plan *plan, unsigned index)
{
    const struct study *study = &studies[index];
    unsigned animals = 0;
    for (size_t g = 0; g < study->group_count; g++)
        animals += study->groups[g].animals;
    for (unsigned animal = 0; animal < animals; animal++) {
        for (unsigned week = 0; week < study->week_count; week++) {
            for (unsigned kind = 0; kind < study->kind_count; kind++) {
                unsigned variant = (animal + week) % (unsigned)study->variant_count;
                add_scan(plan, &(struct pick){index, animal, week, kind, variant});
            }
        }
    }
}

struct plan plan_make(uint64_t seed, bool full)
{
    struct plan plan = {.seed = random_mix(seed, 0), .full = full};
    plan.animals = calloc(ANIMALS_MAX, sizeof *plan.animals);
    plan.sessions = calloc(SESSIONS_MAX, sizeof *plan.sessions);
    plan.scans = calloc(SCANS_MAX, sizeof *plan.scans);
    if (plan.animals == NULL || plan.sessions == NULL || plan.scans == NULL)
        die("out of memory");
    if (full) {
        for (unsigned s = 0; s < STUDY_COUNT; s++)
            add_whole_study(&plan, s);
    } else {
        for (size_t p = 0; p < small_dataset_size; p++)
            add_scan(&plan, &small_dataset[p]);
    }
    return plan;
}

void plan_clear(struct plan *plan)
{
    free(plan->animals);
    free(plan->sessions);
    free(plan->scans);
    *plan = (struct plan){0};
}
