/* The 2 x 2 x 2 cube: eight corners, turned by nine moves that leave one corner in place.
 *
 * Corner 7 (down, back, left) stays. A state is where each of the other seven corners came from and how it is twisted: 14
 * numbers, the corner and the twist (0 to 2) of each place. Moves are R, U and F, each by a quarter, a half and three quarters.
 * An observation is sparse: bit 21 * place + 3 * corner + twist. Every state is solved by at most 11 moves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "twisterl.h"
#include "twisterl_frame.h"
#include "twisterl_random.h"
#include "twisterl_support.h"

enum { PLACES = 7, TURNS = 3, MOVES = 9, LIMIT = 1000000, TEXT = 2048 };

typedef struct cube {
    uint8_t corner[PLACES], twist[PLACES];
    uint32_t budget;
} cube;

struct te_instance {
    te_frame frame;
    int64_t difficulty, max_depth, depth_slope;
    cube *cubes;
};

/* Places: 0 up-right-front, 1 up-front-left, 2 up-left-back, 3 up-back-right, 4 down-front-right, 5 down-left-front,
 * 6 down-right-back; the corner at down-back-left stays. A quarter turn brings `from[i]` to place i and adds `twist[i]`, as in
 * the cubie notation of H. Kociemba's two-phase algorithm. */
static const struct {
    uint8_t from[PLACES], twist[PLACES];
} QUARTERS[TURNS] = {
    {{4, 1, 2, 0, 6, 5, 3}, {2, 0, 0, 1, 1, 0, 2}}, /* R */
    {{3, 0, 1, 2, 4, 5, 6}, {0, 0, 0, 0, 0, 0, 0}}, /* U */
    {{1, 5, 2, 3, 0, 4, 6}, {1, 2, 0, 0, 2, 1, 0}}, /* F */
};
TE_FRAME(cube2, TEXT)

static const char *const NAMES[MOVES] = {"R", "R2", "R'", "U", "U2", "U'", "F", "F2", "F'"};

static void turn(cube *c, uint32_t move) {
    for (uint32_t quarter = 0; quarter <= move % 3; quarter++) {
        cube old = *c;
        for (int place = 0; place < PLACES; place++) {
            int from = QUARTERS[move / 3].from[place];
            c->corner[place] = old.corner[from];
            c->twist[place] = (uint8_t)((old.twist[from] + QUARTERS[move / 3].twist[place]) % 3);
        }
    }
}

static int is_solved(const cube *c) {
    int solved = 1;
    for (int place = 0; place < PLACES; place++) solved &= c->corner[place] == place && c->twist[place] == 0;
    return solved;
}

static uint32_t budget_of(const te_instance *c, int64_t difficulty) {
    int64_t budget = c->depth_slope * difficulty;
    if (budget > c->max_depth) budget = c->max_depth;
    return (uint32_t)(budget < 1 ? 1 : budget);
}

static int32_t read_params(te_instance *c, te_span json) {
    c->difficulty = 1, c->depth_slope = 2, c->max_depth = 64;
    te_span name, value;
    while (te_next_member(&json, &name, &value)) {
        int known = 1, good = 1;
        if (te_is(name, "difficulty")) good = te_to_whole(value, 0, LIMIT, &c->difficulty);
        else if (te_is(name, "depth_slope")) good = te_to_whole(value, 0, LIMIT, &c->depth_slope);
        else if (te_is(name, "max_depth")) good = te_to_whole(value, 1, LIMIT, &c->max_depth);
        else known = 0;
        if (!known) {
            te_span none = {"an unknown parameter", 20};
            return te_refuse(&c->frame.error, name, "one of difficulty, depth_slope, max_depth", none);
        }
        if (!good) return te_refuse(&c->frame.error, name, "a whole number, at most 1000000", value);
    }
    return TE_OK;
}

static void describe(te_instance *c) {
    te_writer *d = &c->frame.description;
    d->len = 0;
    te_put(d, "{\"name\": \"Cube2\", \"version\": \"1.0\", \"licence\": \"Apache-2.0\", \"observation\": "
              "{\"type\": \"sparse_binary\", \"shape\": [7, 7, 3]}, \"actions\": [{\"type\": \"discrete\", \"n\": 9}], "
              "\"inverses\": [2, 1, 0, 5, 4, 3, 8, 7, 6], \"curriculum\": true, \"uniform\": true, "
              "\"measures_success\": true, \"state\": 14, \"difficulty\": ");
    te_put_number(d, c->difficulty);
    te_put(d, ", \"params\": {\"difficulty\": ");
    te_put_number(d, c->difficulty);
    te_put(d, ", \"depth_slope\": ");
    te_put_number(d, c->depth_slope);
    te_put(d, ", \"max_depth\": ");
    te_put_number(d, c->max_depth);
    te_put(d, "}}");
}

static int32_t cube2_init(te_instance *c, int32_t len, int32_t slots) {
    if (!c->frame.scratch || len < 0 || slots < 1) return te_fail(&c->frame, "init: no parameters or no slots");
    if (read_params(c, (te_span){c->frame.scratch, (size_t)len}) < 0) return te_failed(&c->frame, TE_FAILED);
    describe(c);
    te_room room = {.record = sizeof(cube), .choices = MOVES, .ones = PLACES, .numbers = 2 * PLACES};
    if (te_frame_allocate(&c->frame, slots, room) != TE_OK) return TE_FAILED;
    c->cubes = c->frame.records;
    for (size_t i = 0; i < (size_t)slots * MOVES; i++) c->frame.masks[i] = 1; /* every move is always legal */
    return TE_OK;
}

static int32_t begin_at_state(te_instance *c, cube *to, int32_t difficulty) {
    cube next = {.budget = 0};
    int seen = 0, twists = 0;
    if (c->frame.layout.slots[0] != 2 * PLACES)
        return te_refuse_state(&c->frame, "14 numbers: the corner and the twist of each place", "another", -1);
    for (int place = 0; place < PLACES; place++) {
        double corner = c->frame.state[2 * place], twist = c->frame.state[2 * place + 1];
        if (!(corner >= 0 && corner < PLACES) || corner != (double)(int)corner || seen >> (int)corner & 1)
            return te_refuse_state(&c->frame, "each corner from 0 to 6 once", "another", -1);
        if (!(twist >= 0 && twist < 3) || twist != (double)(int)twist)
            return te_refuse_state(&c->frame, "twists from 0 to 2", "another", -1);
        seen |= 1 << (int)corner;
        next.corner[place] = (uint8_t)corner, next.twist[place] = (uint8_t)twist;
        twists += (int)twist;
    }
    /* One corner cannot be twisted alone; all orders of the corners can be reached. */
    if (twists % 3) return te_refuse_state(&c->frame, "twists that sum to a multiple of 3", "another", -1);
    next.budget = (uint32_t)c->max_depth;
    if (difficulty >= 0) {
        uint32_t budget = budget_of(c, difficulty > LIMIT ? LIMIT : difficulty);
        if (budget < next.budget) next.budget = budget;
    }
    *to = next;
    return TE_OK;
}

static int32_t cube2_begin(te_instance *c, int32_t slot, int32_t kind, int32_t difficulty) {
    if (slot < 0 || slot >= c->frame.slots) return te_fail(&c->frame, "begin: no such slot");
    cube *at = &c->cubes[slot];
    if (kind == TE_STATE) {
        int32_t refused = begin_at_state(c, at, difficulty);
        if (refused < 0) return refused;
    } else {
        te_rng rng = te_rng_of(c->frame.key);
        if (difficulty < 0) return te_fail(&c->frame, "begin: a difficulty from 0 on");
        if (difficulty > LIMIT) difficulty = LIMIT;
        for (int place = 0; place < PLACES; place++) at->corner[place] = (uint8_t)place, at->twist[place] = 0;
        if (kind == TE_UNIFORM) {
            int twists = 0;
            for (uint32_t last = PLACES - 1; last > 0; last--) {
                uint32_t other = te_below(&rng, last + 1);
                uint8_t kept = at->corner[last];
                at->corner[last] = at->corner[other], at->corner[other] = kept;
                at->twist[last] = (uint8_t)te_below(&rng, 3);
                twists += at->twist[last];
            }
            at->twist[0] = (uint8_t)((3 - twists % 3) % 3);
        } else {
            /* No two turns of one face after each other, which would be one turn or none. */
            uint32_t face = TURNS;
            for (int32_t i = 0; i < difficulty; i++) {
                uint32_t next = face == TURNS ? te_below(&rng, TURNS) : (face + 1 + te_below(&rng, TURNS - 1)) % TURNS;
                turn(at, 3 * next + te_below(&rng, 3));
                face = next;
            }
        }
        at->budget = budget_of(c, difficulty);
    }
    int solved = is_solved(at);
    c->frame.best[0] = solved ? 0 : 1;
    return solved ? TE_SOLVED : 0;
}

static int32_t cube2_step(te_instance *c, int32_t n) {
    if (n < 0 || n > c->frame.slots) return te_fail(&c->frame, "step: too many rows");
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)c->frame.layout.slots[i], move = c->frame.layout.discrete[i];
        if (slot >= (uint32_t)c->frame.slots || move >= MOVES) return te_fail(&c->frame, "step: no such slot or move");
        cube *at = &c->cubes[slot];
        turn(at, move);
        if (at->budget) at->budget--;
        int solved = is_solved(at);
        c->frame.flags[i] = solved ? TE_SOLVED | TE_TERMINATED : at->budget ? 0 : TE_TRUNCATED;
        c->frame.rewards[i] = solved ? 1 : at->budget ? -0.5f / (float)c->max_depth : -0.5f;
        c->frame.best[i] = solved ? 0 : 1;
    }
    return TE_OK;
}

static int32_t cube2_observe(te_instance *c, int32_t n) {
    if (n < 0 || n > c->frame.slots) return te_fail(&c->frame, "observe: too many rows");
    c->frame.offsets[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)c->frame.layout.slots[i];
        if (slot >= (uint32_t)c->frame.slots) return te_fail(&c->frame, "observe: no such slot");
        const cube *at = &c->cubes[slot];
        for (uint32_t place = 0; place < PLACES; place++)
            c->frame.indices[(uint32_t)i * PLACES + place] = 21 * place + 3 * at->corner[place] + at->twist[place];
        c->frame.offsets[i + 1] = (uint32_t)(i + 1) * PLACES;
    }
    return TE_OK;
}

static int32_t cube2_state(te_instance *c, int32_t slot) {
    if (slot < 0 || slot >= c->frame.slots) return te_fail(&c->frame, "state: no such slot");
    for (int place = 0; place < PLACES; place++) {
        c->frame.state[2 * place] = c->cubes[slot].corner[place];
        c->frame.state[2 * place + 1] = c->cubes[slot].twist[place];
    }
    return 2 * PLACES;
}

/* The corners by place, each with + or - for its twist. */
static const te_text *cube2_render(te_instance *c, int32_t slot) {
    if (slot < 0 || slot >= c->frame.slots) return te_fail(&c->frame, "render: no such slot"), (const te_text *)0;
    c->frame.answer.len = 0;
    for (int place = 0; place < PLACES; place++) {
        if (place) te_put(&c->frame.answer, place == 4 ? "\n" : " ");
        te_put_number(&c->frame.answer, c->cubes[slot].corner[place]);
        te_put(&c->frame.answer, c->cubes[slot].twist[place] == 0 ? " " : c->cubes[slot].twist[place] == 1 ? "+" : "-");
    }
    return te_answer(&c->frame);
}

static const te_text *cube2_action_name(te_instance *c, int32_t choice) {
    if (choice < 0 || choice >= MOVES) return 0;
    c->frame.answer.len = 0;
    te_put(&c->frame.answer, NAMES[choice]);
    return te_answer(&c->frame);
}

TE_EXPORT_ENVIRONMENT(cube2)
