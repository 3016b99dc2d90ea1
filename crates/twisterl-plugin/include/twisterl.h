/* Environments for TwisteRL in C and in every language that can speak C: version 1.1 of the interface.
 *
 * One source gives both forms of a plugin:
 *
 *   - a WebAssembly module without imports (wasm32-unknown-unknown, wasm32-freestanding), which exports te_abi, te_init, ...
 *     and its memory as "memory". It runs in a sandbox; 32-bit numbers alone cross its border;
 *   - a native library, which exports twisterl_environment, a function that returns a table of functions. It is trusted.
 *
 * Define `struct te_instance`, write the functions declared below with a prefix of your own, and end the file with
 * TE_EXPORT_ENVIRONMENT(prefix). docs/plugins.md has the commands that build it, and environments/ complete examples.
 *
 * An *instance* holds `slots` environments with equal parameters, each in its slot, and the buffers through which the host
 * passes arguments and reads results. The host makes one call at a time to an instance, from any thread, and may use several
 * instances at once: keep everything in the instance. Numbers in buffers are little-endian. Every length, offset, choice and
 * number that you write is checked by the host at each use.
 *
 * Environments are deterministic unless they say otherwise: equal starts and equal actions give equal episodes. The only
 * randomness is the 32 bytes in the buffer `key` at `begin`. twisterl_random.h draws numbers from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWISTERL_H
#define TWISTERL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version: major in the upper half. Hosts refuse another major version; minor versions only add optional functions. */
#define TE_ABI ((1 << 16) + 1)

/* Results below 0 are errors, which `error` tells. */
#define TE_OK 0
#define TE_FAILED (-1)
#define TE_REFUSED (-2) /* by begin: the environment can never be in the given state */
#define TE_NONE (-3)    /* by solution, inverse_state and invert_solution: there is none */

/* Kinds of starts. */
#define TE_SCRAMBLE 0 /* an episode of the given difficulty */
#define TE_UNIFORM 1  /* a state drawn uniformly from all, with the budget of the given difficulty */
#define TE_STATE 2    /* the state in `state`, slots[0] numbers, with the budget of the given difficulty */
#define TE_FULL_BUDGET (-1) /* in place of a difficulty, with TE_STATE */

/* Flags, the result of `begin` and of each row of `step`. Never both TE_TERMINATED and TE_TRUNCATED. */
#define TE_TERMINATED 1 /* the episode reached a final state, solved or lost: the value of the state is 0 */
#define TE_TRUNCATED 2  /* a budget is exhausted and cuts the episode */
#define TE_SOLVED 4     /* the state is solved; then a step is also TE_TERMINATED */

/* Your data: slots, buffers, everything. */
typedef struct te_instance te_instance;

/* UTF-8, no terminating zero needed. */
typedef struct te_text {
    const char *text;
    uintptr_t len;
} te_text;

/* The addresses of the buffers, 0 where there is none. The address of this struct holds until the next `init`; its contents
 * may change in each call, so that buffers for results may move and be as long as the call needs. s: slots; d: choices of an
 * action, one for a discrete component and n, each 0 or 1, for a binary one; c: its numbers, those of all continuous
 * components; w: entries of a mask, n for a discrete component, and for each bit of a binary one whether it may be 0 and
 * whether it may be 1; v: dense values, the last axis of their shape first to change. Components are in the order of the
 * description. Without components or values of a kind, there is no buffer for it. */
typedef struct te_layout {
    uintptr_t version;      /* TE_ABI */
    uint8_t *key;           /* in:  32 bytes, the randomness of the next begin */
    int32_t *slots;         /* in:  [2 s], the slots of a call */
    uint32_t *discrete;     /* in:  [s, d], choices */
    float *continuous;      /* in:  [s, c] */
    const float *rewards;   /* out: [s], of step */
    const int32_t *flags;   /* out: [s], of step */
    const uint32_t *offsets; /* out: [s + 1], of observe: where the ones of each row begin in `indices`; the first is 0 */
    const uint32_t *indices; /* out: the bits that are 1, each once and in any order, all rows after each other */
    const float *values;    /* out: [s, v], of observe */
    const uint8_t *masks;   /* out: [s, w], of observe: 1 for choices that are allowed, at least one of each component */
    double *state;          /* in and out: a state, as many numbers as the description allows */
    const uint64_t *keys;   /* out: [s], of keys */
    const float *best;      /* out: [s], of step, and the first one of begin: an upper bound on the return of the rest of the
                               episode, NaN for none; by it solvers prune */
} te_layout;

/* The functions, with your prefix in place of PREFIX:
 *
 * te_instance *PREFIX_create(const void *context);
 *     A new instance, 0 if there is no memory. `context` is 0 but for languages that pass one. A WebAssembly module has one
 *     instance, which may be a static variable.
 * void PREFIX_destroy(te_instance *);
 * uint8_t *PREFIX_scratch(te_instance *, int32_t bytes);
 *     An address to which the host may write so many bytes, until the next call of scratch; 0 if that is too many.
 * int32_t PREFIX_init(te_instance *, int32_t len, int32_t slots);
 *     Makes `slots` environments of the parameters in scratch, `len` bytes of JSON: an object, whose absent members have their
 *     defaults. TE_OK or TE_FAILED. May be called again. The host chooses the number of slots: up to 64 in training; in searches,
 *     one for each node of their trees or state of their beams, which may be hundreds of thousands.
 * const te_text *PREFIX_describe(te_instance *);
 *     The description, JSON; equal parameters give equal text:
 *       {"name": "Puzzle",                           the name
 *        "version": "1.0",                           another one may play otherwise
 *        "observation": {"type": "sparse_binary", "shape": [9, 9]},   or {"type": "dense", "shape": [4]},
 *                                                    or {"type": "mixed", "bits": [9, 9], "values": [4]}
 *        "actions": [{"type": "discrete", "n": 4}],  components, each one of:
 *                                                      {"type": "discrete", "n": 4}: one choice, n entries of the mask
 *                                                      {"type": "binary", "n": 4}: n bits, 2 n entries of the mask
 *                                                      {"type": "continuous", "low": [-1], "high": [1], "shape": [1]}
 *        "difficulty": 1, "curriculum": true,        of the parameters; whether begin heeds another one
 *        "uniform": false,                           whether TE_UNIFORM is supported; otherwise it is never asked for
 *        "measures_success": true,                   whether TE_SOLVED tells success from failure
 *        "state": 9,                                 most numbers of a state; 0 if states cannot be told or set, so that
 *                                                    neither failed starts can be repeated nor single problems be solved
 *        "tells_states": true,                       false if states can be set but `state` fails
 *        "deterministic": true,                      false if it draws at random by itself; then episodes cannot be repeated
 *        "twists": [{"observation": [...], "action": [...]}],  symmetries: permutations, without the identity
 *        "inverses": [2, 3, 0, 1],                   the action that undoes each, or null
 *        "params": {...}, "schema": {...},           the parameters with defaults filled in; their JSON Schema
 *        "licence": "Apache-2.0"}
 *     Only name, observation and actions are required; members with other names are refused.
 * const te_layout *PREFIX_layout(te_instance *);
 * int32_t PREFIX_begin(te_instance *, int32_t slot, int32_t kind, int32_t difficulty);
 *     Begins an episode. Returns TE_SOLVED or 0; TE_REFUSED for a state that cannot be, in which case nothing changes.
 * int32_t PREFIX_step(te_instance *, int32_t n);
 *     Takes the action of row i in slots[i], for n rows. Actions lie in their space, but may be masked.
 * int32_t PREFIX_observe(te_instance *, int32_t n);
 *     Writes the observation and the mask of slots[i] as row i.
 * int32_t PREFIX_copy(te_instance *, int32_t n);
 *     Copies slots[2 i] to slots[2 i + 1], budgets included, for i below n, in this order. TE_FAILED if that is impossible:
 *     then nothing can search.
 * int32_t PREFIX_state(te_instance *, int32_t slot);
 *     Writes the state of a slot to `state` and returns the number of its numbers.
 * const te_text *PREFIX_render(te_instance *, int32_t slot);
 *     The state as text for people, in one or more lines; may be empty. 0 after an error.
 * const te_text *PREFIX_action_name(te_instance *, int32_t choice);
 *     The name of the action in row 0 of `discrete` and `continuous`; `choice` is its first discrete component. 0 for none.
 * const te_text *PREFIX_error(te_instance *);
 *     The text of the last error; its address is asked for before init and never changes, so that the host can read it after
 *     a trap. Either plain text or, from init and begin, JSON: {"path": "width", "expected": "2 to 15", "found": "1"}, with a
 *     path for parameters alone.
 *
 * Optional; define TE_HAVE_... before including this file:
 *
 * int32_t PREFIX_keys(te_instance *, int32_t n);                            TE_HAVE_KEYS
 *     Writes keys of the states of n slots: equal for equal states, otherwise 64 well-mixed bits. Search is faster with it.
 * int32_t PREFIX_twisted_state(te_instance *, int32_t slot, int32_t twist); TE_HAVE_TWISTED_STATE
 *     Writes the image of a slot's state under a twist; returns the number of its numbers. Tests of twists need it.
 * int32_t PREFIX_solution(te_instance *, int32_t slot);                     TE_HAVE_SOLUTION
 *     Writes the solution that the environment reports for a slot's episode in place of the actions taken to `state`: whole
 *     numbers of its own choosing. Returns the number of its numbers, TE_NONE if it reports none.
 * int32_t PREFIX_inverse_state(te_instance *, int32_t slot);                TE_HAVE_INVERSE_STATE, since 1.1
 *     Writes the state of the inverse problem of a slot to `state`: one whose solutions, turned around, solve the slot, with as
 *     many actions and the same return. Returns the number of its numbers, TE_NONE if there is none.
 * int32_t PREFIX_invert_solution(te_instance *, int32_t slot, int32_t n);   TE_HAVE_INVERT_SOLUTION, since 1.1
 *     Replaces the n actions in scratch, each a uint32_t, which solve the inverse problem, by n that solve the slot. Returns n,
 *     TE_NONE if there are none. Without it, they are the inverses of the description in reverse order.
 * te_instance *PREFIX_duplicate(te_instance *);                             TE_HAVE_DUPLICATE, libraries alone
 *     A copy with all its episodes, 0 after an error.
 */

typedef struct te_table {
    uint32_t abi;
    uint32_t size;
    te_instance *(*create)(const void *context);
    void (*destroy)(te_instance *);
    uint8_t *(*scratch)(te_instance *, int32_t bytes);
    int32_t (*init)(te_instance *, int32_t len, int32_t slots);
    const te_text *(*describe)(te_instance *);
    const te_layout *(*layout)(te_instance *);
    int32_t (*begin)(te_instance *, int32_t slot, int32_t kind, int32_t difficulty);
    int32_t (*step)(te_instance *, int32_t n);
    int32_t (*observe)(te_instance *, int32_t n);
    int32_t (*copy)(te_instance *, int32_t n);
    int32_t (*state)(te_instance *, int32_t slot);
    const te_text *(*render)(te_instance *, int32_t slot);
    const te_text *(*action_name)(te_instance *, int32_t choice);
    const te_text *(*error)(te_instance *);
    int32_t (*keys)(te_instance *, int32_t n);
    int32_t (*twisted_state)(te_instance *, int32_t slot, int32_t twist);
    te_instance *(*duplicate)(te_instance *);
    int32_t (*solution)(te_instance *, int32_t slot);
    int32_t (*inverse_state)(te_instance *, int32_t slot);
    int32_t (*invert_solution)(te_instance *, int32_t slot, int32_t n);
} te_table;

#ifdef __cplusplus
#define TE_LINKAGE extern "C"
#else
#define TE_LINKAGE
#endif

#ifdef __wasm__

#define TE_EXPORT(name) TE_LINKAGE __attribute__((export_name(#name)))

#ifdef TE_HAVE_KEYS
#define TE_EXPORT_KEYS(prefix) \
    TE_EXPORT(te_keys) int32_t te_keys(int32_t n) { return prefix##_keys(te_the_instance(), n); }
#else
#define TE_EXPORT_KEYS(prefix)
#endif
#ifdef TE_HAVE_TWISTED_STATE
#define TE_EXPORT_TWISTED_STATE(prefix) \
    TE_EXPORT(te_twisted_state) int32_t te_twisted_state(int32_t slot, int32_t twist) { \
        return prefix##_twisted_state(te_the_instance(), slot, twist); \
    }
#else
#define TE_EXPORT_TWISTED_STATE(prefix)
#endif
#ifdef TE_HAVE_INVERSE_STATE
#define TE_EXPORT_INVERSE_STATE(prefix) \
    TE_EXPORT(te_inverse_state) int32_t te_inverse_state(int32_t slot) { \
        return prefix##_inverse_state(te_the_instance(), slot); \
    }
#else
#define TE_EXPORT_INVERSE_STATE(prefix)
#endif
#ifdef TE_HAVE_INVERT_SOLUTION
#define TE_EXPORT_INVERT_SOLUTION(prefix) \
    TE_EXPORT(te_invert_solution) int32_t te_invert_solution(int32_t slot, int32_t n) { \
        return prefix##_invert_solution(te_the_instance(), slot, n); \
    }
#else
#define TE_EXPORT_INVERT_SOLUTION(prefix)
#endif
#ifdef TE_HAVE_SOLUTION
#define TE_EXPORT_SOLUTION(prefix) \
    TE_EXPORT(te_solution) int32_t te_solution(int32_t slot) { return prefix##_solution(te_the_instance(), slot); }
#else
#define TE_EXPORT_SOLUTION(prefix)
#endif

#define TE_EXPORT_ENVIRONMENT(prefix) \
    static te_instance *te_the_instance(void) { \
        static te_instance *instance; \
        (void)prefix##_destroy; \
        if (!instance) instance = prefix##_create(0); \
        if (!instance) __builtin_trap(); \
        return instance; \
    } \
    TE_EXPORT(te_abi) int32_t te_abi(void) { return TE_ABI; } \
    TE_EXPORT(te_scratch) uint8_t *te_scratch(int32_t bytes) { return prefix##_scratch(te_the_instance(), bytes); } \
    TE_EXPORT(te_init) int32_t te_init(int32_t len, int32_t slots) { \
        return prefix##_init(te_the_instance(), len, slots); \
    } \
    TE_EXPORT(te_describe) const te_text *te_describe(void) { return prefix##_describe(te_the_instance()); } \
    TE_EXPORT(te_layout) const te_layout *te_layout_address(void) { return prefix##_layout(te_the_instance()); } \
    TE_EXPORT(te_begin) int32_t te_begin(int32_t slot, int32_t kind, int32_t difficulty) { \
        return prefix##_begin(te_the_instance(), slot, kind, difficulty); \
    } \
    TE_EXPORT(te_step) int32_t te_step(int32_t n) { return prefix##_step(te_the_instance(), n); } \
    TE_EXPORT(te_observe) int32_t te_observe(int32_t n) { return prefix##_observe(te_the_instance(), n); } \
    TE_EXPORT(te_copy) int32_t te_copy(int32_t n) { return prefix##_copy(te_the_instance(), n); } \
    TE_EXPORT(te_state) int32_t te_state(int32_t slot) { return prefix##_state(te_the_instance(), slot); } \
    TE_EXPORT(te_render) const te_text *te_render(int32_t slot) { return prefix##_render(te_the_instance(), slot); } \
    TE_EXPORT(te_action_name) const te_text *te_action_name(int32_t choice) { \
        return prefix##_action_name(te_the_instance(), choice); \
    } \
    TE_EXPORT(te_error) const te_text *te_error(void) { return prefix##_error(te_the_instance()); } \
    TE_EXPORT_KEYS(prefix) \
    TE_EXPORT_TWISTED_STATE(prefix) \
    TE_EXPORT_SOLUTION(prefix) \
    TE_EXPORT_INVERSE_STATE(prefix) \
    TE_EXPORT_INVERT_SOLUTION(prefix)

#else

#ifdef _WIN32
#define TE_EXPORT TE_LINKAGE __declspec(dllexport)
#else
#define TE_EXPORT TE_LINKAGE __attribute__((visibility("default")))
#endif

#ifdef TE_HAVE_KEYS
#define TE_OPTIONAL_KEYS(prefix) prefix##_keys
#else
#define TE_OPTIONAL_KEYS(prefix) 0
#endif
#ifdef TE_HAVE_TWISTED_STATE
#define TE_OPTIONAL_TWISTED_STATE(prefix) prefix##_twisted_state
#else
#define TE_OPTIONAL_TWISTED_STATE(prefix) 0
#endif
#ifdef TE_HAVE_DUPLICATE
#define TE_OPTIONAL_DUPLICATE(prefix) prefix##_duplicate
#else
#define TE_OPTIONAL_DUPLICATE(prefix) 0
#endif
#ifdef TE_HAVE_SOLUTION
#define TE_OPTIONAL_SOLUTION(prefix) prefix##_solution
#else
#define TE_OPTIONAL_SOLUTION(prefix) 0
#endif
#ifdef TE_HAVE_INVERSE_STATE
#define TE_OPTIONAL_INVERSE_STATE(prefix) prefix##_inverse_state
#else
#define TE_OPTIONAL_INVERSE_STATE(prefix) 0
#endif
#ifdef TE_HAVE_INVERT_SOLUTION
#define TE_OPTIONAL_INVERT_SOLUTION(prefix) prefix##_invert_solution
#else
#define TE_OPTIONAL_INVERT_SOLUTION(prefix) 0
#endif

#define TE_EXPORT_ENVIRONMENT(prefix) \
    TE_EXPORT const te_table *twisterl_environment(void) { \
        static const te_table table = { \
            TE_ABI, sizeof(te_table), prefix##_create, prefix##_destroy, prefix##_scratch, prefix##_init, \
            prefix##_describe, prefix##_layout, prefix##_begin, prefix##_step, prefix##_observe, prefix##_copy, \
            prefix##_state, prefix##_render, prefix##_action_name, prefix##_error, TE_OPTIONAL_KEYS(prefix), \
            TE_OPTIONAL_TWISTED_STATE(prefix), TE_OPTIONAL_DUPLICATE(prefix), \
            TE_OPTIONAL_SOLUTION(prefix), TE_OPTIONAL_INVERSE_STATE(prefix), \
            TE_OPTIONAL_INVERT_SOLUTION(prefix)}; \
        return &table; \
    }

#endif

#ifdef __cplusplus
}
#endif

#endif
