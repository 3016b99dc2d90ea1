/* Sokoban on a small board: push every box onto a goal.
 *
 * A board of 6 x 6 cells inside a wall, with `boxes` boxes and as many goals. A scramble begins solved, with the boxes on
 * goals that are drawn at random, and pulls boxes `difficulty` times: so every start can be solved. Moves are left, up, right
 * and down; those into a wall or into a box that cannot be pushed are masked, and change nothing.
 * An observation is sparse, [4, 36]: planes of walls, boxes, goals, and the player. A state is 36 numbers, for each cell the
 * sum of 1 for a wall, 2 for a box, 4 for a goal and 8 for the player.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "twisterl.h"
#include "twisterl_frame.h"
#include "twisterl_random.h"
#include "twisterl_support.h"

enum { SIDE = 6, CELLS = SIDE * SIDE, MOVES = 4, LIMIT = 10000, TEXT = 2048, NOWHERE = 255 };
enum { WALL = 1, BOX = 2, GOAL = 4, PLAYER = 8 };

typedef struct board {
    uint8_t cells[CELLS];
    uint8_t player;
    uint32_t budget;
} board;

struct te_instance {
    te_frame frame;
    int64_t difficulty, boxes, walls, max_depth, depth_slope;
    board *boards;
};

TE_FRAME(sokoban, TEXT)

static const char *const NAMES[MOVES] = {"left", "up", "right", "down"};

/* ---- Rules --------------------------------------------------------------------------------------------------------------- */

/* The cell beside another one, or NOWHERE beyond the board. */
static uint8_t beside(uint8_t cell, uint32_t move) {
    int row = cell / SIDE, column = cell % SIDE;
    if (cell == NOWHERE) return NOWHERE;
    if (move == 0) return column > 0 ? cell - 1 : NOWHERE;
    if (move == 1) return row > 0 ? cell - SIDE : NOWHERE;
    if (move == 2) return column + 1 < SIDE ? cell + 1 : NOWHERE;
    return row + 1 < SIDE ? cell + SIDE : NOWHERE;
}

static int is_free(const board *b, uint8_t cell) { return cell != NOWHERE && !(b->cells[cell] & (WALL | BOX)); }

static int is_legal(const board *b, uint32_t move) {
    uint8_t next = beside(b->player, move);
    if (next == NOWHERE || b->cells[next] & WALL) return 0;
    return !(b->cells[next] & BOX) || is_free(b, beside(next, move));
}

static void walk(board *b, uint8_t to) {
    b->cells[b->player] &= (uint8_t)~PLAYER;
    b->cells[to] |= PLAYER;
    b->player = to;
}

static void push(board *b, uint32_t move) {
    if (!is_legal(b, move)) return;
    uint8_t next = beside(b->player, move);
    if (b->cells[next] & BOX) {
        b->cells[next] &= (uint8_t)~BOX;
        b->cells[beside(next, move)] |= BOX;
    }
    walk(b, next);
}

static int is_solved(const board *b) {
    for (int cell = 0; cell < CELLS; cell++)
        if (b->cells[cell] & BOX && !(b->cells[cell] & GOAL)) return 0;
    return 1;
}

/* A cell that holds nothing, drawn at random. There is one: walls, boxes and the player take at most half of the cells. */
static uint8_t draw_free(const board *b, te_rng *rng) {
    for (;;) {
        uint8_t cell = (uint8_t)te_below(rng, CELLS);
        if (!b->cells[cell]) return cell;
    }
}

/* Marks the cells that the player can walk to. */
static void reach(const board *b, uint8_t reached[CELLS]) {
    uint8_t queue[CELLS];
    int head = 0, tail = 0;
    for (int cell = 0; cell < CELLS; cell++) reached[cell] = 0;
    reached[b->player] = 1;
    queue[tail++] = b->player;
    while (head < tail) {
        uint8_t cell = queue[head++];
        for (uint32_t move = 0; move < MOVES; move++) {
            uint8_t next = beside(cell, move);
            if (!is_free(b, next) || reached[next]) continue;
            reached[next] = 1;
            queue[tail++] = next;
        }
    }
}

/* Pulls a box from a goal outwards: the player beside it walks back one cell and takes it along. */
static int pull(board *b, te_rng *rng) {
    uint8_t reached[CELLS], boxes[CELLS * MOVES], moves[CELLS * MOVES];
    uint32_t count = 0;
    reach(b, reached);
    for (uint8_t cell = 0; cell < CELLS; cell++) {
        if (!(b->cells[cell] & BOX)) continue;
        for (uint32_t move = 0; move < MOVES; move++) {
            uint8_t stand = beside(cell, move), back = beside(stand, move);
            if (stand == NOWHERE || !reached[stand] || !is_free(b, back)) continue;
            boxes[count] = cell, moves[count++] = (uint8_t)move;
        }
    }
    if (!count) return 0;
    uint32_t drawn = te_below(rng, count);
    uint8_t box = boxes[drawn], stand = beside(box, moves[drawn]);
    b->cells[box] &= (uint8_t)~BOX;
    walk(b, beside(stand, moves[drawn]));
    b->cells[stand] |= BOX;
    return 1;
}

static uint32_t budget_of(const te_instance *s, int64_t difficulty) {
    int64_t budget = s->depth_slope * difficulty;
    if (budget > s->max_depth) budget = s->max_depth;
    return (uint32_t)(budget < 1 ? 1 : budget);
}

static void scramble(const te_instance *s, board *b, int32_t difficulty, te_rng *rng) {
    for (int cell = 0; cell < CELLS; cell++) b->cells[cell] = 0;
    for (int64_t i = 0; i < s->walls; i++) b->cells[draw_free(b, rng)] = WALL;
    for (int64_t i = 0; i < s->boxes; i++) b->cells[draw_free(b, rng)] = BOX | GOAL;
    b->player = draw_free(b, rng);
    b->cells[b->player] = PLAYER;
    for (int32_t i = 0; i < difficulty && pull(b, rng); i++) {}
    b->budget = budget_of(s, difficulty);
}

/* ---- Parameters and description ------------------------------------------------------------------------------------------ */

static int32_t read_params(te_instance *s, te_span json) {
    const struct {
        const char *name, *expected;
        int64_t *to, low, high, value;
    } known[] = {{"difficulty", "0 to 10000", &s->difficulty, 0, LIMIT, 1},
                 {"boxes", "1 to 6", &s->boxes, 1, 6, 2},
                 {"walls", "0 to 10", &s->walls, 0, 10, 4},
                 {"depth_slope", "1 to 10000", &s->depth_slope, 1, LIMIT, 12},
                 {"max_depth", "1 to 10000", &s->max_depth, 1, LIMIT, 120}};
    for (int i = 0; i < 5; i++) *known[i].to = known[i].value;
    te_span name, value;
    while (te_next_member(&json, &name, &value)) {
        int i = 0;
        while (i < 5 && !te_is(name, known[i].name)) i++;
        if (i == 5) {
            te_span none = {"an unknown parameter", 20};
            return te_refuse(&s->frame.error, name, "one of difficulty, boxes, walls, depth_slope, max_depth", none);
        }
        if (!te_to_whole(value, known[i].low, known[i].high, known[i].to))
            return te_refuse(&s->frame.error, name, known[i].expected, value);
    }
    return TE_OK;
}

static void describe(te_instance *s) {
    const struct {
        const char *name;
        int64_t value;
    } params[] = {{"difficulty", s->difficulty}, {"boxes", s->boxes}, {"walls", s->walls}, {"depth_slope", s->depth_slope},
                  {"max_depth", s->max_depth}};
    te_writer *d = &s->frame.description;
    d->len = 0;
    te_put(d, "{\"name\": \"Sokoban\", \"version\": \"1.0\", \"licence\": \"Apache-2.0\", \"observation\": "
              "{\"type\": \"sparse_binary\", \"shape\": [4, 36]}, \"actions\": [{\"type\": \"discrete\", \"n\": 4}], "
              "\"curriculum\": true, \"measures_success\": true, \"state\": 36, \"difficulty\": ");
    te_put_number(d, s->difficulty);
    te_put(d, ", \"params\": {");
    for (int i = 0; i < 5; i++) {
        te_put(d, i ? ", \"" : "\"");
        te_put(d, params[i].name);
        te_put(d, "\": ");
        te_put_number(d, params[i].value);
    }
    te_put(d, "}}");
}

/* ---- The interface ------------------------------------------------------------------------------------------------------- */

static int32_t sokoban_init(te_instance *s, int32_t len, int32_t slots) {
    if (!s->frame.scratch || len < 0 || slots < 1) return te_fail(&s->frame, "init: no parameters or no slots");
    if (read_params(s, (te_span){s->frame.scratch, (size_t)len}) < 0) return te_failed(&s->frame, TE_FAILED);
    describe(s);
    te_room room = {.record = sizeof(board), .choices = MOVES, .ones = 4 * CELLS, .numbers = CELLS};
    if (te_frame_allocate(&s->frame, slots, room) != TE_OK) return TE_FAILED;
    s->boards = s->frame.records;
    return TE_OK;
}

static int32_t begin_at_state(te_instance *s, board *to, int32_t difficulty) {
    board next = {.player = NOWHERE};
    int boxes = 0, goals = 0;
    if (s->frame.layout.slots[0] != CELLS) return te_refuse_state(&s->frame, "36 numbers, one a cell", "another", -1);
    for (int cell = 0; cell < CELLS; cell++) {
        double number = s->frame.state[cell];
        if (!(number >= 0 && number < 16) || number != (double)(int)number)
            return te_refuse_state(&s->frame, "numbers from 0 to 15", "another", -1);
        int what = (int)number;
        if ((what & WALL && what != WALL) || (what & BOX && what & PLAYER))
            return te_refuse_state(&s->frame, "nothing else in a wall, and a box or the player in a cell", "another", -1);
        if (what & PLAYER && next.player != NOWHERE) return te_refuse_state(&s->frame, "one player", "another", -1);
        if (what & PLAYER) next.player = (uint8_t)cell;
        boxes += (what & BOX) != 0, goals += (what & GOAL) != 0;
        next.cells[cell] = (uint8_t)what;
    }
    if (next.player == NOWHERE) return te_refuse_state(&s->frame, "one player", "another", -1);
    if (boxes != goals || boxes < 1) return te_refuse_state(&s->frame, "as many goals as boxes, at least one", "another", -1);
    next.budget = (uint32_t)s->max_depth;
    if (difficulty >= 0) {
        uint32_t budget = budget_of(s, difficulty > LIMIT ? LIMIT : difficulty);
        if (budget < next.budget) next.budget = budget;
    }
    *to = next;
    return TE_OK;
}

static int32_t sokoban_begin(te_instance *s, int32_t slot, int32_t kind, int32_t difficulty) {
    if (slot < 0 || slot >= s->frame.slots) return te_fail(&s->frame, "begin: no such slot");
    board *b = &s->boards[slot];
    if (kind == TE_STATE) {
        int32_t refused = begin_at_state(s, b, difficulty);
        if (refused < 0) return refused;
    } else {
        if (kind != TE_SCRAMBLE || difficulty < 0) return te_fail(&s->frame, "begin: a scramble, of a difficulty from 0 on");
        te_rng rng = te_rng_of(s->frame.key);
        scramble(s, b, difficulty > LIMIT ? LIMIT : difficulty, &rng);
    }
    int solved = is_solved(b);
    s->frame.best[0] = solved ? 0 : 1;
    return solved ? TE_SOLVED : 0;
}

static int32_t sokoban_step(te_instance *s, int32_t n) {
    if (n < 0 || n > s->frame.slots) return te_fail(&s->frame, "step: too many rows");
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)s->frame.layout.slots[i];
        if (slot >= (uint32_t)s->frame.slots) return te_fail(&s->frame, "step: no such slot");
        board *b = &s->boards[slot];
        push(b, s->frame.layout.discrete[i] & 3);
        if (b->budget) b->budget--;
        int solved = is_solved(b);
        s->frame.flags[i] = solved ? TE_SOLVED | TE_TERMINATED : b->budget ? 0 : TE_TRUNCATED;
        s->frame.rewards[i] = solved ? 1 : b->budget ? -0.5f / (float)s->max_depth : -0.5f;
        s->frame.best[i] = solved ? 0 : 1;
    }
    return TE_OK;
}

static int32_t sokoban_observe(te_instance *s, int32_t n) {
    if (n < 0 || n > s->frame.slots) return te_fail(&s->frame, "observe: too many rows");
    uint32_t *one = s->frame.indices;
    s->frame.offsets[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)s->frame.layout.slots[i];
        if (slot >= (uint32_t)s->frame.slots) return te_fail(&s->frame, "observe: no such slot");
        const board *b = &s->boards[slot];
        for (uint32_t plane = 0; plane < 4; plane++)
            for (uint32_t cell = 0; cell < CELLS; cell++)
                if (b->cells[cell] >> plane & 1) *one++ = plane * CELLS + cell;
        s->frame.offsets[i + 1] = (uint32_t)(one - s->frame.indices);
        int legal = 0;
        for (uint32_t move = 0; move < MOVES; move++)
            legal += s->frame.masks[(uint32_t)i * MOVES + move] = (uint8_t)is_legal(b, move);
        /* A player who is shut in may try everything. */
        for (uint32_t move = 0; move < MOVES && !legal; move++) s->frame.masks[(uint32_t)i * MOVES + move] = 1;
    }
    return TE_OK;
}

static int32_t sokoban_state(te_instance *s, int32_t slot) {
    if (slot < 0 || slot >= s->frame.slots) return te_fail(&s->frame, "state: no such slot");
    for (int cell = 0; cell < CELLS; cell++) s->frame.state[cell] = s->boards[slot].cells[cell];
    return CELLS;
}

/* The signs of the usual level files. */
static const te_text *sokoban_render(te_instance *s, int32_t slot) {
    if (slot < 0 || slot >= s->frame.slots) return te_fail(&s->frame, "render: no such slot"), (const te_text *)0;
    s->frame.answer.len = 0;
    for (int cell = 0; cell < CELLS; cell++) {
        int what = s->boards[slot].cells[cell], goal = what & GOAL;
        if (cell && cell % SIDE == 0) te_put(&s->frame.answer, "\n");
        te_put(&s->frame.answer, what & WALL ? "#" : what & BOX ? (goal ? "*" : "$") : what & PLAYER ? (goal ? "+" : "@") : goal ? "." : "-");
    }
    return te_answer(&s->frame);
}

static const te_text *sokoban_action_name(te_instance *s, int32_t choice) {
    if (choice < 0 || choice >= MOVES) return 0;
    s->frame.answer.len = 0;
    te_put(&s->frame.answer, NAMES[choice]);
    return te_answer(&s->frame);
}

TE_EXPORT_ENVIRONMENT(sokoban)
