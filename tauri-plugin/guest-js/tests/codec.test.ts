import { describe, expect, it } from 'vitest';

import { decodePull, givenBytes, givenCursor, safeCursor } from '../codec.js';
import { blob, frame } from './fake.js';

const two = [blob(3, 'drei'), blob(9, '')];

describe("a pull's answer", () => {
  it.each([
    ['a buffer', (bytes: Uint8Array) => bytes.slice().buffer],
    ['bytes', (bytes: Uint8Array) => bytes],
    ['bytes within a larger buffer', (bytes: Uint8Array) => new Uint8Array([9, 9, 9, ...bytes, 9]).subarray(3, 3 + bytes.length)],
    ['an array of numbers', (bytes: Uint8Array) => [...bytes]],
  ])('is understood as %s', (_, shape) => {
    const page = decodePull(shape(frame(two, { hasMore: true, maxCursor: 12, truncated: true })));
    expect(page).toEqual({ blobs: two, hasMore: true, maxCursor: 12, truncated: true });
  });

  it('with nothing in it is an empty page', () => {
    expect(decodePull(frame([], { maxCursor: 4 }))).toEqual({ blobs: [], hasMore: false, maxCursor: 4, truncated: false });
  });

  it('gives each blob bytes of its own', () => {
    const bytes = frame(two);
    const [first] = decodePull(bytes).blobs;
    bytes.fill(0);
    expect(first?.data).toEqual(two[0]?.data);
    expect(first?.data.buffer.byteLength).toBe(4);
  });

  it.each([
    ['ends within its first number', (bytes: Uint8Array) => bytes.subarray(0, 3)],
    ['ends within its header', (bytes: Uint8Array) => bytes.subarray(0, 20)],
    ['ends within a blob', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['has bytes left over', (bytes: Uint8Array) => new Uint8Array([...bytes, 0])],
    ['has a header that is no JSON', (bytes: Uint8Array) => bytes.map((byte, at) => (at === 4 ? 0xff : byte))],
    ['is an object', () => ({ blobs: [] })],
    ['is nothing', () => null],
  ])('is refused when it %s', (_, spoil) => {
    expect(() => decodePull(spoil(frame([blob(3, 'drei')])))).toThrow(expect.objectContaining({ code: 'invoke' }));
  });

  it('is refused when a cursor was rounded on the way', () => {
    expect(() => decodePull(frame([], { maxCursor: 2 ** 53 }))).toThrow(/no cursor/);
    expect(() => decodePull(frame([blob(2 ** 53)]))).toThrow(/no cursor/);
    expect(decodePull(frame([blob(2 ** 53 - 1)])).maxCursor).toBe(2 ** 53 - 1);
  });

  it.each([[-1], [1.5], [NaN], ['7'], [null], [undefined]])('never takes %s for a cursor', (value) => {
    expect(() => safeCursor(value)).toThrow(/no cursor/);
  });
});

describe('what goes out', () => {
  it.each([[-1], [0.5], [NaN], [2 ** 53]])('is checked: %d is no position', (cursor) => {
    expect(() => givenCursor(cursor, 'afterCursor')).toThrow(expect.objectContaining({ code: 'invalidArgs' }));
  });

  it('is a copy of exactly the bytes that were given', () => {
    const whole = new Uint8Array([1, 2, 3, 4]);
    const sent = givenBytes(whole.subarray(1, 3));
    whole.fill(0);
    expect(sent).toEqual(new Uint8Array([2, 3]));
    expect(sent.buffer.byteLength).toBe(2);
  });

  it.each([['text'], [{ length: 1 }], [new Uint16Array(1)], [undefined]])('is bytes or nothing: %o', (data) => {
    expect(() => givenBytes(data as Uint8Array)).toThrow(expect.objectContaining({ code: 'invalidArgs' }));
  });
});
