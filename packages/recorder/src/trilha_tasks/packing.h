/* Plain values as MessagePack, and the checksum of what they make: as `trilha.capture.journal.encoding` and zlib
   have them. */

#ifndef TRILHA_PACKING_H
#define TRILHA_PACKING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* -- checksum ---------------------------------------------------------------------------------------------- */

/* CRC-32 as zlib has it, four bytes at a time by half bytes: eight lines of the processor's cache, where a table
   by bytes has sixteen for one byte, which are not there any more when a task was computed since. */
#ifdef _MSC_VER
static uint32_t check_table[8][16];
#else
static _Alignas(64) uint32_t check_table[8][16]; /* a line of the processor's cache each */
#endif

static void make_check_table(void)
{
    for (uint32_t half = 0; half < 16; half++) {
        uint32_t one = half;
        for (int bit = 0; bit < 4; bit++)
            one = one & 1 ? one >> 1 ^ 0xedb88320 : one >> 1;
        check_table[7][half] = one;
    }
    for (int place = 6; place >= 0; place--)
        for (int half = 0; half < 16; half++) {
            uint32_t one = check_table[place + 1][half];
            check_table[place][half] = one >> 4 ^ check_table[7][one & 15];
        }
}

#define LINE 64 /* bytes of a line of the processor's cache */

/* Have `bytes` at an address fetched, for what comes soon; there may be anything, or nothing. */
static inline void expect(const void *address, size_t bytes)
{
#ifdef __GNUC__
    uintptr_t line = (uintptr_t)address & ~(uintptr_t)(LINE - 1);
    for (; line < (uintptr_t)address + bytes; line += LINE)
        __builtin_prefetch((const void *)line);
#endif
}

/* The same for what is to be written. */
static inline void expect_write(const void *address, size_t bytes)
{
#ifdef __GNUC__
    uintptr_t line = (uintptr_t)address & ~(uintptr_t)(LINE - 1);
    for (; line < (uintptr_t)address + bytes; line += LINE)
        __builtin_prefetch((const void *)line, 1);
#endif
}

/* The same for the table. */
static inline void expect_check(void)
{
    expect(check_table, sizeof check_table);
}

static uint32_t check_of(const unsigned char *data, size_t length)
{
    uint32_t check = 0xffffffff;
    for (; length >= 4; data += 4, length -= 4) {
        check ^= data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        check = check_table[0][check & 15] ^ check_table[1][check >> 4 & 15] ^ check_table[2][check >> 8 & 15] ^
                check_table[3][check >> 12 & 15] ^ check_table[4][check >> 16 & 15] ^
                check_table[5][check >> 20 & 15] ^ check_table[6][check >> 24 & 15] ^ check_table[7][check >> 28];
    }
    while (length--) {
        check ^= *data++;
        check = check >> 4 ^ check_table[7][check & 15];
        check = check >> 4 ^ check_table[7][check & 15];
    }
    return ~check;
}

/* -- MessagePack ------------------------------------------------------------------------------------------- */

static inline unsigned char *pack_big(unsigned char *at, unsigned char code, uint64_t number, int bytes)
{
    *at++ = code;
    number <<= 8 * (8 - bytes);
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    number = __builtin_bswap64(number);
    memcpy(at, &number, 8);
#else
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(number >> (56 - 8 * i));
#endif
    return at + bytes;
}

static unsigned char *pack_unsigned(unsigned char *at, uint64_t number)
{
    if (number < 0x80) {
        *at++ = (unsigned char)number;
        return at;
    }
    if (number <= 0xff)
        return pack_big(at, 0xcc, number, 1);
    if (number <= 0xffff)
        return pack_big(at, 0xcd, number, 2);
    return number <= 0xffffffff ? pack_big(at, 0xce, number, 4) : pack_big(at, 0xcf, number, 8);
}

static unsigned char *pack_float(unsigned char *at, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, 8);
    return pack_big(at, 0xcb, bits, 8);
}

static unsigned char *pack_whole(unsigned char *at, PyObject *value)
{
    int over;
    long long number = PyLong_AsLongLongAndOverflow(value, &over);
    if (over)
        return NULL;
    uint64_t bits = (uint64_t)number;
    if (number >= 0)
        return pack_unsigned(at, bits);
    if (number >= -0x20) {
        *at++ = (unsigned char)number;
        return at;
    }
    if (number >= -0x80)
        return pack_big(at, 0xd0, bits, 1);
    if (number >= -0x8000)
        return pack_big(at, 0xd1, bits, 2);
    return number >= -0x7fffffff - 1 ? pack_big(at, 0xd2, bits, 4) : pack_big(at, 0xd3, bits, 8);
}

/* A plain value behind `at`; gives where it ends, or NULL, without an exception, for what is not for us: another
   type, a number of more than 64 bits, a text that is not ASCII, or no room (nine bytes more than it takes). */
static unsigned char *pack_value(unsigned char *at, const unsigned char *end, PyObject *value)
{
    if (end - at < 18)
        return NULL;
    if (PyLong_CheckExact(value))
        return pack_whole(at, value);
    if (PyFloat_CheckExact(value))
        return pack_float(at, PyFloat_AS_DOUBLE(value));
    if (PyUnicode_CheckExact(value)) {
        if (!PyUnicode_IS_COMPACT_ASCII(value))
            return NULL;
        Py_ssize_t length = PyUnicode_GET_LENGTH(value);
        if (end - at < 18 + length || length > 0xffff)
            return NULL;
        if (length < 0x20)
            *at++ = (unsigned char)(0xa0 | length);
        else
            at = length <= 0xff ? pack_big(at, 0xd9, (uint64_t)length, 1) : pack_big(at, 0xda, (uint64_t)length, 2);
        memcpy(at, PyUnicode_DATA(value), (size_t)length);
        return at + length;
    }
    if (value == Py_None)
        *at++ = 0xc0;
    else if (value == Py_False)
        *at++ = 0xc2;
    else if (value == Py_True)
        *at++ = 0xc3;
    else
        return NULL;
    return at;
}

/* The head of an array of `count` values, at most 65,535. */
static inline unsigned char *pack_array(unsigned char *at, Py_ssize_t count)
{
    if (count > 15)
        return pack_big(at, 0xdc, (uint64_t)count, 2);
    *at++ = (unsigned char)(0x90 | count);
    return at;
}

#endif
