/* What environments of TwisteRL in C need besides their rules: memory, text, and parameters as JSON. Optional.
 *
 * It needs no C library in a WebAssembly module, and the standard one in a native library.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWISTERL_SUPPORT_H
#define TWISTERL_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* ---- Memory -------------------------------------------------------------------------------------------------------------- */

#ifdef __wasm__

/* Compilers call these even where no one else does. */
__attribute__((weak, no_builtin("memset"))) void *memset(void *to, int byte, size_t len) {
    for (size_t i = 0; i < len; i++) ((unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}
__attribute__((weak, no_builtin("memcpy"))) void *memcpy(void *to, const void *from, size_t len) {
    for (size_t i = 0; i < len; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}
__attribute__((weak, no_builtin("memcmp"))) int memcmp(const void *one, const void *other, size_t len) {
    for (size_t i = 0; i < len; i++) {
        int difference = ((const unsigned char *)one)[i] - ((const unsigned char *)other)[i];
        if (difference) return difference;
    }
    return 0;
}

/* Returns `len` bytes of zeros, 0 if there are none left. They are never freed: allocate in `create` and `init` alone, which
 * the host calls once an instance, and in `scratch` where more bytes are asked for than before. */
static void *te_allocate(size_t len) {
    extern unsigned char __heap_base;
    static uintptr_t used;
    if (!used) used = (uintptr_t)&__heap_base;
    uintptr_t at = (used + 15) & ~(uintptr_t)15;
    if (len > 0x7fffffff || at > 0x7fffffff) return 0;
    uintptr_t end = at + len, size = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
    if (end > size && __builtin_wasm_memory_grow(0, (end - size + 0xffff) >> 16) == (size_t)-1) return 0;
    used = end;
    return (void *)at;
}
static inline void te_free(void *memory) { (void)memory; }

#else

#include <stdlib.h>
#include <string.h>
static inline void *te_allocate(size_t len) { return calloc(len ? len : 1, 1); }
static inline void te_free(void *memory) { free(memory); }

#endif

/* ---- Text ---------------------------------------------------------------------------------------------------------------- */

/* Text that grows up to the room it was given; what does not fit is dropped. */
typedef struct te_writer {
    char *text;
    size_t len, room;
} te_writer;

static inline void te_put_bytes(te_writer *writer, const char *text, size_t len) {
    for (size_t i = 0; i < len && writer->len < writer->room; i++) writer->text[writer->len++] = text[i];
}
static inline void te_put(te_writer *writer, const char *text) {
    size_t len = 0;
    while (text[len]) len++;
    te_put_bytes(writer, text, len);
}
static inline void te_put_number(te_writer *writer, int64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0) te_put(writer, "-");
    te_put_bytes(writer, digits + at, sizeof digits - at);
}

/* ---- Parameters ---------------------------------------------------------------------------------------------------------- */

/* A piece of JSON. */
typedef struct te_span {
    const char *text;
    size_t len;
} te_span;

static inline int te_is(te_span span, const char *text) {
    size_t i = 0;
    while (i < span.len && text[i] && span.text[i] == text[i]) i++;
    return i == span.len && !text[i];
}

/* Takes the next member of a JSON object off `*json`: its name without quotes, and its value, strings with theirs. Returns 0
 * at the end. The text is that of the host, which is valid JSON without line breaks. */
static inline int te_next_member(te_span *json, te_span *name, te_span *value) {
    const char *at = json->text, *end = at + json->len;
    while (at < end && *at != '"' && *at != '}') at++;
    if (at >= end || *at == '}') return 0;
    name->text = ++at;
    while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
    name->len = (size_t)(at - name->text);
    while (at < end && *at != ':') at++;
    for (at++; at < end && *at == ' ';) at++;
    value->text = at;
    int depth = 0, quoted = 0;
    for (; at < end; at++) {
        if (quoted) {
            if (*at == '\\') at++;
            else if (*at == '"') quoted = 0;
        } else if (*at == '"') quoted = 1;
        else if (*at == '{' || *at == '[') depth++;
        else if ((*at == '}' || *at == ']' || *at == ',') && !depth) break;
        else if (*at == '}' || *at == ']') depth--;
    }
    if (at > end) at = end;
    value->len = (size_t)(at - value->text);
    while (value->len && value->text[value->len - 1] == ' ') value->len--;
    json->text = at;
    json->len = (size_t)(end - at);
    return 1;
}

/* Reads a number. Exact for up to 15 digits and exponents up to 22; returns 0 for what is no number. */
static inline int te_to_double(te_span span, double *number) {
    const char *at = span.text, *end = at + span.len;
    int negative = at < end && *at == '-', digits = 0, any = 0, exponent = 0;
    uint64_t mantissa = 0;
    if (negative) at++;
    for (int fraction = 0; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
        if (*at == '.') {
            fraction = 1;
            continue;
        }
        any = 1;
        if (digits < 18) mantissa = 10 * mantissa + (uint64_t)(*at - '0'), digits += mantissa > 0, exponent -= fraction;
        else exponent += !fraction;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int sign = 1, power = 0;
        if (++at < end && (*at == '-' || *at == '+')) sign = *at++ == '-' ? -1 : 1;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            if (power < 10000) power = 10 * power + (*at - '0');
        exponent += sign * power;
    }
    if (!any || at != end) return 0;
    while (exponent < 0 && mantissa && mantissa % 10 == 0) mantissa /= 10, exponent++;
    double result = (double)mantissa, scale = 1;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0 && scale < 1e300; i--) scale *= 10;
    result = exponent < 0 ? result / scale : result * scale;
    *number = negative ? -result : result;
    return 1;
}

/* Reads a whole number of `low` to `high`; returns 0 for anything else. */
static inline int te_to_whole(te_span span, int64_t low, int64_t high, int64_t *number) {
    int64_t result = 0;
    size_t i = span.len > 1 && span.text[0] == '-';
    if (i == span.len || span.len > 18) return 0;
    for (; i < span.len; i++) {
        if (span.text[i] < '0' || span.text[i] > '9') return 0;
        result = 10 * result + (span.text[i] - '0');
    }
    if (span.text[0] == '-') result = -result;
    if (result < low || result > high) return 0;
    *number = result;
    return 1;
}

/* Writes the error about a parameter; the result is that of a failed `init`. */
static inline int32_t te_refuse(te_writer *error, te_span path, const char *expected, te_span found) {
    error->len = 0;
    te_put(error, "{\"path\": \"");
    te_put_bytes(error, path.text, path.len);
    te_put(error, "\", \"expected\": \"");
    te_put(error, expected);
    te_put(error, "\", \"found\": \"");
    for (size_t i = 0; i < found.len; i++) {
        if (found.text[i] == '"' || found.text[i] == '\\') te_put(error, "\\");
        te_put_bytes(error, found.text + i, 1);
    }
    te_put(error, "\"}");
    return -1;
}

#endif
