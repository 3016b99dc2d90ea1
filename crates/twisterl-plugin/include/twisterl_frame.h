/* The frame of an environment in C: an instance with a record for each slot, its buffers and its texts. Optional; it stands
 * on twisterl.h and twisterl_support.h.
 *
 *     typedef struct board { ... } board;                            one for each slot
 *     struct te_instance { te_frame frame; board *boards; ... };     the frame comes first
 *     TE_FRAME(puzzle, 4096)
 *
 * defines puzzle_create, puzzle_destroy, puzzle_scratch, puzzle_describe, puzzle_layout, puzzle_error and puzzle_copy; a
 * description and other texts have up to 4096 bytes. The environment writes puzzle_init, which calls te_frame_allocate and
 * writes frame.description, and the functions of its rules.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWISTERL_FRAME_H
#define TWISTERL_FRAME_H

#include "twisterl.h"
#include "twisterl_support.h"

typedef struct te_frame {
    int32_t slots;
    void *records; /* one for each slot, of `record` bytes */
    size_t record;
    te_layout layout;
    uint8_t key[32];
    float *rewards, *best, *values;
    int32_t *flags;
    uint32_t *offsets, *indices;
    uint8_t *masks;
    uint64_t *keys;
    double *state;
    char *scratch;
    size_t scratch_room;
    te_writer description, error, answer;
    te_text texts[3]; /* of the description, the error and the answer */
} te_frame;

/* What the buffers have room for, of each slot: choices of a mask, ones and values of an observation, numbers of a state. */
typedef struct te_room {
    size_t record, choices, ones, values, numbers;
} te_room;

static inline const te_text *te_text_of(te_text *text, const te_writer *writer) {
    text->text = writer->text;
    text->len = writer->len;
    return text;
}

/* Keeps an answer of render or action_name. */
static inline const te_text *te_answer(te_frame *frame) { return te_text_of(&frame->texts[2], &frame->answer); }

/* Keeps the text in frame->error and returns a code. */
static inline int32_t te_failed(te_frame *frame, int32_t code) {
    te_text_of(&frame->texts[1], &frame->error);
    return code;
}

/* Keeps the text of an error that is not about a parameter or a state. */
static inline int32_t te_fail(te_frame *frame, const char *text) {
    frame->error.len = 0;
    te_put(&frame->error, text);
    return te_failed(frame, TE_FAILED);
}

/* Refuses a state: says what is expected, and what was found, with a number from 0 on behind it. */
static inline int32_t te_refuse_state(te_frame *frame, const char *expected, const char *found, int64_t number) {
    te_writer *error = &frame->error;
    error->len = 0;
    te_put(error, "{\"expected\": \"");
    te_put(error, expected);
    te_put(error, "\", \"found\": \"");
    te_put(error, found);
    if (number >= 0) te_put_number(error, number);
    te_put(error, "\"}");
    return te_failed(frame, TE_REFUSED);
}

static inline te_instance *te_frame_create(size_t bytes, size_t text) {
    te_frame *frame = te_allocate(bytes);
    if (!frame) return 0;
    frame->description = (te_writer){te_allocate(text), 0, text};
    frame->error = (te_writer){te_allocate(text), 0, text};
    frame->answer = (te_writer){te_allocate(text), 0, text};
    if (!frame->description.text || !frame->error.text || !frame->answer.text) return 0;
    te_text_of(&frame->texts[1], &frame->error);
    return (te_instance *)frame;
}

/* Frees what te_frame_allocate has made. */
static inline void te_frame_free(te_frame *frame) {
    void *buffers[] = {frame->records, frame->layout.slots, frame->layout.discrete, frame->rewards, frame->best,
                       frame->values,  frame->flags,        frame->offsets,         frame->indices, frame->masks,
                       frame->keys,    frame->state};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) te_free(buffers[i]);
}

static inline void te_frame_destroy(te_frame *frame) {
    void *rest[] = {frame->scratch, frame->description.text, frame->error.text, frame->answer.text, frame};
    te_frame_free(frame);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) te_free(rest[i]);
}

static inline uint8_t *te_frame_scratch(te_frame *frame, int32_t bytes) {
    if (bytes < 0) return 0;
    if (!frame->scratch || (size_t)bytes > frame->scratch_room) {
        te_free(frame->scratch);
        frame->scratch_room = (size_t)bytes;
        frame->scratch = te_allocate((size_t)bytes + 1);
    }
    return (uint8_t *)frame->scratch;
}

/* Makes records and buffers for environments with one discrete action, filled with zeros. Frees those of an earlier call. */
static inline int32_t te_frame_allocate(te_frame *frame, int32_t slots, te_room room) {
    size_t s = (size_t)slots;
    te_frame_free(frame);
    frame->slots = slots, frame->record = room.record, frame->records = te_allocate(s * room.record);
    frame->rewards = te_allocate(4 * s), frame->best = te_allocate(4 * s), frame->flags = te_allocate(4 * s);
    frame->offsets = te_allocate(4 * s + 4), frame->indices = te_allocate(4 * s * room.ones + 1);
    frame->values = te_allocate(4 * s * room.values + 1), frame->masks = te_allocate(s * room.choices);
    frame->keys = te_allocate(8 * s), frame->state = te_allocate(8 * room.numbers + 1);
    frame->layout = (te_layout){.version = TE_ABI,
                                .key = frame->key,
                                .slots = te_allocate(8 * s),
                                .discrete = te_allocate(4 * s),
                                .rewards = frame->rewards,
                                .flags = frame->flags,
                                .offsets = frame->offsets,
                                .indices = frame->indices,
                                .values = frame->values,
                                .masks = frame->masks,
                                .state = frame->state,
                                .keys = frame->keys,
                                .best = frame->best};
    if (!frame->records || !frame->rewards || !frame->best || !frame->flags || !frame->offsets || !frame->indices ||
        !frame->values || !frame->masks || !frame->keys || !frame->state || !frame->layout.slots || !frame->layout.discrete)
        return te_fail(frame, "init: no memory for so many slots");
    for (size_t i = 0; i < s; i++) frame->best[i] = __builtin_nanf(""); /* no bound, unless the environment writes one */
    return TE_OK;
}

static inline int32_t te_frame_copy(te_frame *frame, int32_t n) {
    if (n < 0 || n > frame->slots) return te_fail(frame, "copy: too many rows");
    for (int32_t i = 0; i < n; i++) {
        uint32_t from = (uint32_t)frame->layout.slots[2 * i], to = (uint32_t)frame->layout.slots[2 * i + 1];
        if (from >= (uint32_t)frame->slots || to >= (uint32_t)frame->slots) return te_fail(frame, "copy: no such slot");
        if (from == to) continue;
        memcpy((char *)frame->records + to * frame->record, (char *)frame->records + from * frame->record, frame->record);
    }
    return TE_OK;
}

#define TE_FRAME(name, text)                                                                                                   \
    static te_instance *name##_create(const void *context) {                                                                   \
        (void)context;                                                                                                         \
        return te_frame_create(sizeof(te_instance), text);                                                                     \
    }                                                                                                                          \
    static void name##_destroy(te_instance *env) { te_frame_destroy(&env->frame); }                                            \
    static uint8_t *name##_scratch(te_instance *env, int32_t bytes) { return te_frame_scratch(&env->frame, bytes); }           \
    static const te_text *name##_describe(te_instance *env) {                                                                  \
        return te_text_of(&env->frame.texts[0], &env->frame.description);                                                      \
    }                                                                                                                          \
    static const te_layout *name##_layout(te_instance *env) { return &env->frame.layout; }                                     \
    static const te_text *name##_error(te_instance *env) { return &env->frame.texts[1]; }                                      \
    static int32_t name##_copy(te_instance *env, int32_t n) { return te_frame_copy(&env->frame, n); }

#endif
