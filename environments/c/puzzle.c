/* The sliding puzzle of TwisteRL (docs/environments.md) in C: the same boards, scrambles, rewards and budgets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define TE_HAVE_KEYS
#define TE_HAVE_TWISTED_STATE
#include "twisterl.h"
#include "twisterl_frame.h"
#include "twisterl_random.h"
#include "twisterl_support.h"

enum { MAX_CELLS = 36, MOVES = 4, LIMIT = 1000000, ROOM = 32768, TEXT = 4096 };

typedef struct board {
    uint32_t ones[MAX_CELLS]; /* the observation: cell * cells + tile, kept up to date so that it is copied in one piece */
    uint8_t tiles[MAX_CELLS]; /* beyond the cells of the board, those of the solved board */
    uint8_t blank;
    uint32_t budget;
} board;

typedef struct params {
    int64_t width, height, difficulty, depth_slope, depth_offset, max_depth;
    float solved_reward, failed_reward, move_reward;
    int blank_last;
} params;

struct te_instance {
    te_frame frame;
    params params;
    int32_t cells, home;
    uint8_t targets[MAX_CELLS][MOVES]; /* the cell to which each move takes the blank from each cell */
    uint8_t legal[MAX_CELLS][MOVES];   /* the mask for each cell of the blank */
    uint8_t solved[MAX_CELLS];
    float best_unsolved, best_solved; /* upper bounds on the return, NaN for none */
    board *boards;
};

TE_FRAME(puzzle, ROOM)

static const char *const NAMES[MOVES] = {"left", "up", "right", "down"};

/* ---- Rules --------------------------------------------------------------------------------------------------------------- */

static void slide(const te_instance *p, board *b, uint32_t move) {
    uint8_t target = p->targets[b->blank][move];
    b->tiles[b->blank] = b->tiles[target];
    b->tiles[target] = 0;
    b->blank = target;
}

static int is_solved(const te_instance *p, const board *b) {
    return b->blank == p->home && memcmp(b->tiles, p->solved, MAX_CELLS) == 0;
}

static uint32_t episode_budget(const te_instance *p, int64_t difficulty) {
    /* Both are at most a million here: no product overflows. */
    int64_t budget = p->params.depth_slope * difficulty + p->params.depth_offset;
    if (budget > p->params.max_depth) budget = p->params.max_depth;
    return (uint32_t)(budget < 1 ? 1 : budget);
}

/* Each move swaps two entries and takes the blank one cell nearer to its place or farther from it: both parities agree on the
 * boards that moves can solve. */
static int is_solvable(const te_instance *p, const uint8_t *tiles, int blank) {
    int seen[MAX_CELLS] = {0}, odd = 0, width = (int)p->params.width;
    for (int start = 0; start < p->cells; start++) {
        for (int cell = start; !seen[cell];) {
            seen[cell] = 1;
            cell = (tiles[cell] + p->home) % p->cells;
            odd ^= cell != start;
        }
    }
    int rows = blank / width - p->home / width, columns = blank % width - p->home % width;
    return odd == ((rows + columns) & 1);
}

static void scramble(const te_instance *p, board *b, int64_t difficulty, te_rng *rng) {
    memcpy(b->tiles, p->solved, MAX_CELLS);
    b->blank = (uint8_t)p->home;
    while (difficulty > 0) {
        uint32_t bits = te_u32(rng); /* 16 moves of two bits */
        int now = difficulty < 16 ? (int)difficulty : 16;
        for (int i = 0; i < now; i++, bits >>= 2) slide(p, b, bits & 3);
        difficulty -= now;
    }
}

static void swap(uint8_t *tiles, uint32_t a, uint32_t b) {
    uint8_t kept = tiles[a];
    tiles[a] = tiles[b];
    tiles[b] = kept;
}

static void draw_uniform(const te_instance *p, board *b, te_rng *rng) {
    for (int i = 0; i < MAX_CELLS; i++) b->tiles[i] = (uint8_t)i;
    for (int last = p->cells - 1; last > 0; last--) swap(b->tiles, (uint32_t)last, te_below(rng, (uint32_t)last + 1));
    int blank = 0;
    while (b->tiles[blank]) blank++;
    if (!is_solvable(p, b->tiles, blank)) swap(b->tiles, blank == 0, blank < 2 ? 2 : 1);
    b->blank = (uint8_t)blank;
}

/* Writes the whole observation of a board that did not come from another one by a move. */
static void observe_all(const te_instance *p, board *b) {
    for (int cell = 0; cell < p->cells; cell++) b->ones[cell] = (uint32_t)(cell * p->cells + b->tiles[cell]);
}

static int transposed(const te_instance *p, int cell) {
    int width = (int)p->params.width;
    return cell % width * width + cell / width;
}

static int transposed_tile(const te_instance *p, int tile) {
    return p->solved[transposed(p, (tile + p->home) % p->cells)];
}

/* ---- Parameters and description ------------------------------------------------------------------------------------------ */

static int32_t read_params(te_instance *p, te_span json) {
    static const params defaults = {3, 3, 1, 2, 0, 128, 1, -0.5f, 0, 0};
    params *out = &p->params;
    *out = defaults;
    const struct {
        const char *name;
        int64_t *to, low, high;
        const char *expected;
    } wholes[] = {
        {"width", &out->width, 2, 6, "2 to 6"},
        {"height", &out->height, 2, 6, "2 to 6"},
        {"difficulty", &out->difficulty, 0, LIMIT, "0 to 1000000"},
        {"depth_slope", &out->depth_slope, 0, INT64_MAX, "a whole number from 0 on"},
        {"depth_offset", &out->depth_offset, 0, INT64_MAX, "a whole number from 0 on"},
        {"max_depth", &out->max_depth, 1, LIMIT, "1 to 1000000"},
    };
    const struct {
        const char *name;
        float *to;
    } rewards[] = {{"solved_reward", &out->solved_reward},
                   {"failed_reward", &out->failed_reward},
                   {"move_reward", &out->move_reward}};
    int has_move_reward = 0;
    te_span name, value;
    while (te_next_member(&json, &name, &value)) {
        int known = 0;
        for (int i = 0; i < 6 && !known; i++) {
            if (!te_is(name, wholes[i].name)) continue;
            known = 1;
            if (!te_to_whole(value, wholes[i].low, wholes[i].high, wholes[i].to))
                return te_refuse(&p->frame.error, name, wholes[i].expected, value);
        }
        for (int i = 0; i < 3 && !known; i++) {
            if (!te_is(name, rewards[i].name)) continue;
            known = 1;
            if (i == 2 && te_is(value, "null")) continue;
            double number;
            if (!te_to_double(value, &number) || !(number >= -1e18 && number <= 1e18))
                return te_refuse(&p->frame.error, name, "a number from -1e18 to 1e18", value);
            *rewards[i].to = (float)number;
            has_move_reward |= i == 2;
        }
        if (!known && te_is(name, "goal")) {
            known = 1;
            out->blank_last = te_is(value, "\"blank_last\"");
            if (!out->blank_last && !te_is(value, "\"blank_first\""))
                return te_refuse(&p->frame.error, name, "`blank_first` or `blank_last`", value);
        }
        if (!known) {
            te_span none = {"an unknown parameter", 20};
            return te_refuse(&p->frame.error, name,
                             "one of width, height, difficulty, depth_slope, depth_offset, max_depth, solved_reward, "
                             "failed_reward, move_reward, goal",
                             none);
        }
    }
    /* Larger ones give the greatest budget, too. */
    if (out->depth_slope > LIMIT) out->depth_slope = LIMIT;
    if (out->depth_offset > LIMIT) out->depth_offset = LIMIT;
    if (!has_move_reward) out->move_reward = -0.5f / (float)out->max_depth;
    return TE_OK;
}

static void build_board(te_instance *p) {
    int height = (int)p->params.height, width = (int)p->params.width;
    p->cells = height * width;
    p->home = p->params.blank_last ? p->cells - 1 : 0;
    for (int cell = 0; cell < MAX_CELLS; cell++) {
        int row = cell / width, column = cell % width;
        p->solved[cell] = (uint8_t)(cell < p->cells && p->params.blank_last ? (cell + 1) % p->cells : cell);
        p->targets[cell][0] = (uint8_t)(column > 0 ? cell - 1 : cell);
        p->targets[cell][1] = (uint8_t)(row > 0 ? cell - width : cell);
        p->targets[cell][2] = (uint8_t)(column + 1 < width ? cell + 1 : cell);
        p->targets[cell][3] = (uint8_t)(row + 1 < height ? cell + width : cell);
        for (int move = 0; move < MOVES; move++) p->legal[cell][move] = p->targets[cell][move] != cell;
    }
    /* One more move solves a board at best. */
    int bounded = p->params.solved_reward >= p->params.failed_reward && p->params.move_reward <= 0;
    p->best_unsolved = bounded ? p->params.solved_reward : __builtin_nanf("");
    p->best_solved = bounded ? 0 : __builtin_nanf("");
}

static void describe(te_instance *p, te_span given) {
    te_writer *d = &p->frame.description;
    d->len = 0;
    te_put(d, "{\"name\": \"Puzzle\", \"version\": \"1.0\", \"licence\": \"Apache-2.0\", \"observation\": "
              "{\"type\": \"sparse_binary\", \"shape\": [");
    te_put_number(d, p->cells);
    te_put(d, ", ");
    te_put_number(d, p->cells);
    te_put(d, "]}, \"actions\": [{\"type\": \"discrete\", \"n\": 4}], \"inverses\": [2, 3, 0, 1], \"curriculum\": true, "
              "\"uniform\": true, \"measures_success\": true, \"state\": ");
    te_put_number(d, p->cells);
    te_put(d, ", \"difficulty\": ");
    te_put_number(d, p->params.difficulty);
    te_put(d, ", \"twists\": [");
    if (p->params.width == p->params.height) {
        te_put(d, "{\"observation\": [");
        for (int bit = 0; bit < p->cells * p->cells; bit++) {
            if (bit) te_put(d, ", ");
            te_put_number(d, transposed(p, bit / p->cells) * p->cells + transposed_tile(p, bit % p->cells));
        }
        te_put(d, "], \"action\": [1, 0, 3, 2]}");
    }
    te_put(d, "], \"params\": {");
    /* Given parameters as they were given, then the defaults of the others. */
    static const char *const defaults[][2] = {{"width", "3"},       {"height", "3"},          {"difficulty", "1"},
                                              {"depth_slope", "2"}, {"depth_offset", "0"},    {"max_depth", "128"},
                                              {"solved_reward", "1.0"}, {"failed_reward", "-0.5"}};
    int first = 1, seen[8] = {0};
    te_span rest = given, name, value;
    while (te_next_member(&rest, &name, &value)) {
        for (int i = 0; i < 8; i++) seen[i] |= te_is(name, defaults[i][0]);
        te_put(d, first ? "\"" : ", \"");
        te_put_bytes(d, name.text, name.len);
        te_put(d, "\": ");
        te_put_bytes(d, value.text, value.len);
        first = 0;
    }
    for (int i = 0; i < 8; i++) {
        if (seen[i]) continue;
        te_put(d, first ? "\"" : ", \"");
        te_put(d, defaults[i][0]);
        te_put(d, "\": ");
        te_put(d, defaults[i][1]);
        first = 0;
    }
    te_put(d, "}}");
}

/* ---- The interface ------------------------------------------------------------------------------------------------------- */

static int32_t puzzle_init(te_instance *p, int32_t len, int32_t slots) {
    if (!p->frame.scratch || len < 0 || slots < 1) return te_fail(&p->frame, "init: no parameters or no slots");
    te_span given = {p->frame.scratch, (size_t)len};
    if (read_params(p, given) < 0) return te_failed(&p->frame, TE_FAILED);
    build_board(p);
    describe(p, given);
    te_room room = {.record = sizeof(board), .choices = MOVES, .ones = MAX_CELLS, .numbers = MAX_CELLS};
    if (te_frame_allocate(&p->frame, slots, room) != TE_OK) return TE_FAILED;
    p->boards = p->frame.records;
    return TE_OK;
}

static int32_t begin_at_state(te_instance *p, board *b, int32_t difficulty) {
    if (p->frame.layout.slots[0] != p->cells)
        return te_refuse_state(&p->frame, "as many tiles as cells", "", p->frame.layout.slots[0]);
    board next = {.blank = 0};
    uint64_t seen = 0;
    memcpy(next.tiles, p->solved, MAX_CELLS);
    for (int cell = 0; cell < p->cells; cell++) {
        double number = p->frame.state[cell];
        if (!(number >= 0 && number < p->cells) || number != (double)(int)number)
            return te_refuse_state(&p->frame, "tiles below the number of cells", "another at position ", cell);
        int tile = (int)number;
        if (seen >> tile & 1) return te_refuse_state(&p->frame, "each tile once", "twice ", tile);
        seen |= (uint64_t)1 << tile;
        next.tiles[cell] = (uint8_t)tile;
        if (!tile) next.blank = (uint8_t)cell;
    }
    if (!is_solvable(p, next.tiles, next.blank))
        return te_refuse_state(&p->frame, "a board that moves can solve", "one that is one swap of two tiles off", -1);
    next.budget = (uint32_t)p->params.max_depth;
    if (difficulty >= 0) {
        uint32_t budget = episode_budget(p, difficulty > LIMIT ? LIMIT : difficulty);
        if (budget < next.budget) next.budget = budget;
    }
    *b = next;
    return TE_OK;
}

static int32_t puzzle_begin(te_instance *p, int32_t slot, int32_t kind, int32_t difficulty) {
    if (slot < 0 || slot >= p->frame.slots) return te_fail(&p->frame, "begin: no such slot");
    board *b = &p->boards[slot];
    if (kind == TE_STATE) {
        int32_t refused = begin_at_state(p, b, difficulty);
        if (refused < 0) return refused;
    } else {
        if (difficulty < 0) return te_fail(&p->frame, "begin: a difficulty from 0 on");
        if (difficulty > LIMIT) difficulty = LIMIT;
        te_rng rng = te_rng_of(p->frame.key);
        if (kind == TE_UNIFORM) draw_uniform(p, b, &rng);
        else scramble(p, b, difficulty, &rng);
        b->budget = episode_budget(p, difficulty);
    }
    observe_all(p, b);
    int solved = is_solved(p, b);
    p->frame.best[0] = solved ? p->best_solved : p->best_unsolved;
    return solved ? TE_SOLVED : 0;
}

static int32_t puzzle_step(te_instance *p, int32_t n) {
    if (n < 0 || n > p->frame.slots) return te_fail(&p->frame, "step: too many rows");
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)p->frame.layout.slots[i];
        if (slot >= (uint32_t)p->frame.slots) return te_fail(&p->frame, "step: no such slot");
        board *b = &p->boards[slot];
        uint32_t cells = (uint32_t)p->cells, from = b->blank;
        slide(p, b, p->frame.layout.discrete[i] & 3);
        b->ones[from] = from * cells + b->tiles[from];
        b->ones[b->blank] = b->blank * cells;
        if (b->budget) b->budget--;
        int solved = is_solved(p, b);
        p->frame.flags[i] = solved ? TE_SOLVED | TE_TERMINATED : b->budget ? 0 : TE_TRUNCATED;
        p->frame.rewards[i] = solved      ? p->params.solved_reward
                        : b->budget ? p->params.move_reward
                                    : p->params.failed_reward;
        p->frame.best[i] = solved ? p->best_solved : p->best_unsolved;
    }
    return TE_OK;
}

static int32_t puzzle_observe(te_instance *p, int32_t n) {
    if (n < 0 || n > p->frame.slots) return te_fail(&p->frame, "observe: too many rows");
    uint32_t *one = p->frame.indices;
    p->frame.offsets[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)p->frame.layout.slots[i], cells = (uint32_t)p->cells;
        if (slot >= (uint32_t)p->frame.slots) return te_fail(&p->frame, "observe: no such slot");
        const board *b = &p->boards[slot];
        memcpy(one, b->ones, cells * sizeof *one);
        one += cells;
        p->frame.offsets[i + 1] = (uint32_t)(i + 1) * cells;
        memcpy(p->frame.masks + i * MOVES, p->legal[b->blank], MOVES);
    }
    return TE_OK;
}

static int32_t puzzle_state(te_instance *p, int32_t slot) {
    if (slot < 0 || slot >= p->frame.slots) return te_fail(&p->frame, "state: no such slot");
    for (int cell = 0; cell < p->cells; cell++) p->frame.state[cell] = p->boards[slot].tiles[cell];
    return p->cells;
}

static int32_t puzzle_twisted_state(te_instance *p, int32_t slot, int32_t twist) {
    if (slot < 0 || slot >= p->frame.slots || twist != 0 || p->params.width != p->params.height)
        return te_fail(&p->frame, "twisted_state: no such slot or twist");
    for (int cell = 0; cell < p->cells; cell++)
        p->frame.state[cell] = transposed_tile(p, p->boards[slot].tiles[transposed(p, cell)]);
    return p->cells;
}

/* Mixes the tiles, eight at a time, by the finaliser of SplitMix64. */
static int32_t puzzle_keys(te_instance *p, int32_t n) {
    if (n < 0 || n > p->frame.slots) return te_fail(&p->frame, "keys: too many rows");
    for (int32_t i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)p->frame.layout.slots[i];
        if (slot >= (uint32_t)p->frame.slots) return te_fail(&p->frame, "keys: no such slot");
        const uint8_t *tiles = p->boards[slot].tiles;
        uint64_t key = 0;
        for (int at = 0; at < p->cells; at += 4) {
            uint64_t word = tiles[at] | (uint64_t)tiles[at + 1] << 16 | (uint64_t)tiles[at + 2] << 32 |
                            (uint64_t)tiles[at + 3] << 48;
            key = (key ^ word) + 0x9e3779b97f4a7c15;
            key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9;
            key = (key ^ key >> 27) * 0x94d049bb133111eb;
            key ^= key >> 31;
        }
        p->frame.keys[i] = key;
    }
    return TE_OK;
}

static const te_text *puzzle_render(te_instance *p, int32_t slot) {
    if (slot < 0 || slot >= p->frame.slots) return te_fail(&p->frame, "render: no such slot"), (const te_text *)0;
    te_writer *out = &p->frame.answer;
    int width = (int)p->params.width, digits = p->cells > 10 ? 2 : 1;
    out->len = 0;
    for (int cell = 0; cell < p->cells; cell++) {
        int tile = p->boards[slot].tiles[cell];
        if (cell) te_put(out, cell % width ? " " : "\n");
        if (digits == 2 && tile < 10) te_put(out, " ");
        if (tile) te_put_number(out, tile);
        else te_put(out, ".");
    }
    return te_answer(&p->frame);
}

static const te_text *puzzle_action_name(te_instance *p, int32_t choice) {
    if (choice < 0 || choice >= MOVES) return 0;
    p->frame.answer.len = 0;
    te_put(&p->frame.answer, NAMES[choice]);
    return te_answer(&p->frame);
}

TE_EXPORT_ENVIRONMENT(puzzle)
