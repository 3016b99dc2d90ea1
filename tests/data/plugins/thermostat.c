#include "twisterl.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A thermostat: bits and values, four components of actions, buffers that move in each call, states that nobody tells, no
 * picture, no names, a table written by hand that ends before the optional functions, errors as long as a page. */
struct te_instance {
    int32_t slots, *left;
    float *heat;
    uint8_t *given, key[32];
    int32_t *named;
    uint32_t *choice;
    float *number;
    void *moving[6];
    te_text described, empty, failed;
    te_layout layout;
    char *page;
};

static const char DESCRIPTION[] =
    "{\"name\": \"Thermostat\", \"observation\": {\"type\": \"mixed\", \"bits\": [3], \"values\": [2, 1]}, \"actions\": ["
    "{\"type\": \"discrete\", \"n\": 3}, {\"type\": \"binary\", \"n\": 2}, {\"type\": \"discrete\", \"n\": 1},"
    "{\"type\": \"continuous\", \"low\": [-1, 0], \"high\": [1, 5], \"shape\": [2]}]}";

static te_instance *thermostat_create(const void *context) { (void)context; return calloc(1, sizeof(te_instance)); }
static void thermostat_destroy(te_instance *e) {
    free(e->left), free(e->heat), free(e->given), free(e->named), free(e->choice), free(e->number), free(e->page);
    for (int i = 0; i < 6; i++) free(e->moving[i]);
    free(e);
}
static uint8_t *thermostat_scratch(te_instance *e, int32_t bytes) { return e->given = realloc(e->given, (size_t)bytes + 1); }
static int32_t thermostat_init(te_instance *e, int32_t len, int32_t slots) {
    if (len > 2) {
        e->page = realloc(e->page, 5000);
        for (int i = 0; i < 5000; i++) e->page[i] = i % 50 == 49 ? '\n' : i % 7 == 6 ? '\x1b' : 'x';
        e->failed = (te_text){e->page, 5000};
        return -77;
    }
    size_t n = (size_t)slots;
    e->slots = slots;
    e->left = calloc(n, 4), e->heat = calloc(n, 4), e->named = calloc(2 * n, 4);
    e->choice = calloc(4 * n, 4), e->number = calloc(2 * n, 4);
    e->layout = (te_layout){TE_ABI, e->key, e->named, e->choice, e->number, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    return TE_OK;
}
static const te_text *thermostat_describe(te_instance *e) {
    e->described = (te_text){DESCRIPTION, sizeof DESCRIPTION - 1};
    return &e->described;
}
static const te_layout *thermostat_layout(te_instance *e) { return &e->layout; }
static int32_t thermostat_begin(te_instance *e, int32_t slot, int32_t kind, int32_t difficulty) {
    (void)kind, (void)difficulty;
    e->heat[slot] = (float)e->key[0] / 255, e->left[slot] = 10;
    return 0;
}
static void *moved(te_instance *e, int which, size_t bytes) {
    void *to = malloc(bytes + 64);
    free(e->moving[which]);
    return e->moving[which] = to;
}
static int32_t thermostat_step(te_instance *e, int32_t n) {
    float *rewards = moved(e, 0, 4 * (size_t)n);
    int32_t *flags = moved(e, 1, 4 * (size_t)n);
    for (int i = 0; i < n; i++) {
        int slot = e->named[i];
        const uint32_t *choice = e->choice + 4 * i;
        e->heat[slot] += 0.1f * ((float)choice[0] - 1) + 0.01f * (float)(choice[1] + choice[2]) + 0.05f * e->number[2 * i];
        e->left[slot] -= e->left[slot] > 0;
        rewards[i] = -(e->heat[slot] > 0 ? e->heat[slot] : -e->heat[slot]);
        flags[i] = e->left[slot] ? 0 : TE_TRUNCATED;
    }
    e->layout.rewards = rewards, e->layout.flags = flags;
    return TE_OK;
}
static int32_t thermostat_observe(te_instance *e, int32_t n) {
    uint32_t *offsets = moved(e, 2, 4 * (size_t)n + 4), *ones = moved(e, 3, 12 * (size_t)n), count = 0;
    float *values = moved(e, 4, 8 * (size_t)n);
    uint8_t *masks = moved(e, 5, 8 * (size_t)n);
    offsets[0] = 0;
    for (int i = 0; i < n; i++) {
        float heat = e->heat[e->named[i]];
        if (heat > 0.5f) ones[count++] = 2; /* rows of no, one or two ones, in any order */
        if (heat > 0) ones[count++] = 0;
        offsets[i + 1] = count;
        values[2 * i] = heat, values[2 * i + 1] = (float)e->left[e->named[i]];
        memset(masks + 8 * i, 1, 8);
        masks[8 * i + 2] = heat <= 1; /* no more heat */
    }
    e->layout.offsets = offsets, e->layout.indices = ones, e->layout.values = values, e->layout.masks = masks;
    return TE_OK;
}
static int32_t thermostat_copy(te_instance *e, int32_t n) {
    for (int i = 0; i < n; i++) {
        int from = e->named[2 * i], to = e->named[2 * i + 1];
        e->heat[to] = e->heat[from], e->left[to] = e->left[from];
    }
    return TE_OK;
}
static int32_t thermostat_state(te_instance *e, int32_t slot) { (void)e, (void)slot; return 0; }
static const te_text *thermostat_render(te_instance *e, int32_t slot) { (void)slot; e->empty = (te_text){0, 0}; return &e->empty; }
static const te_text *thermostat_action_name(te_instance *e, int32_t choice) { (void)e, (void)choice; return 0; }
static const te_text *thermostat_error(te_instance *e) { return &e->failed; }

const te_table *twisterl_environment(void) {
    static te_table table;
    table = (te_table){.abi = TE_ABI, .size = offsetof(te_table, keys), .create = thermostat_create, .destroy = thermostat_destroy,
                       .scratch = thermostat_scratch, .init = thermostat_init, .describe = thermostat_describe, .layout = thermostat_layout,
                       .begin = thermostat_begin, .step = thermostat_step, .observe = thermostat_observe, .copy = thermostat_copy, .state = thermostat_state,
                       .render = thermostat_render, .action_name = thermostat_action_name, .error = thermostat_error};
    return &table;
}
