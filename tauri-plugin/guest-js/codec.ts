/**
 * Bytes and numbers at the border: a pull's answer is taken apart here, and what goes out is checked.
 *
 * A pull answers with one binary frame, because the same bytes as JSON take twenty times as long:
 *
 * ```text
 * u32 LE header length │ header, JSON │ payloads, back to back, in the order of header.blobs
 * ```
 *
 * Where the web view has no binary channel (Android, a strict content security policy), the very same frame arrives as an array of
 * numbers. Never guesses: a frame that does not add up is an error, not a shorter answer.
 */

import { SyncError, invalidArgs } from './errors.js';
import type { Blob, PullResult } from './types.js';

interface Header {
  blobs: { id: string; cursor: number; sender: string; timestamp: number; len: number }[];
  hasMore: boolean;
  maxCursor: number;
  truncated: boolean;
}

/** Takes a pull's answer apart. Every blob gets bytes of its own, so that keeping one does not keep the page. */
export function decodePull(answer: unknown): PullResult {
  const frame = bytesOf(answer);
  if (frame.length < 4) throw broken('it ends within its first number');
  const length = new DataView(frame.buffer, frame.byteOffset, 4).getUint32(0, true);
  const end = 4 + length;
  if (end > frame.length) throw broken('it ends within its header');
  const header = headerOf(frame.subarray(4, end));
  let at = end;
  const blobs = header.blobs.map(({ len, ...blob }): Blob => {
    if (!isCount(len) || at + len > frame.length) throw broken('it ends within a blob');
    const data = frame.slice(at, at + len);
    at += len;
    return { ...blob, cursor: safeCursor(blob.cursor), data };
  });
  if (at !== frame.length) throw broken('bytes are left over');
  return {
    blobs,
    hasMore: header.hasMore,
    maxCursor: safeCursor(header.maxCursor),
    truncated: header.truncated,
  };
}

/** A cursor the plugin sent. Above 2^53 - 1 JSON has already rounded it, and a rounded cursor would skip or repeat blobs. */
export function safeCursor(cursor: unknown): number {
  if (isCount(cursor)) return cursor;
  throw broken(`${String(cursor)} is no cursor`);
}

/** A cursor the caller gave. */
export function givenCursor(cursor: number, name: string): number {
  if (isCount(cursor)) return cursor;
  throw invalidArgs(`${name} must be a whole number from 0 to 2^53 - 1, not ${String(cursor)}`);
}

/** The caller's bytes as they are now: what they do with the array afterwards changes nothing. */
export function givenBytes(data: Uint8Array): Uint8Array {
  // Arrays of another realm fail `instanceof`; a look at the kind does not.
  if (ArrayBuffer.isView(data) && data.BYTES_PER_ELEMENT === 1) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  }
  throw invalidArgs('push takes a Uint8Array; encode text with `new TextEncoder().encode(text)`');
}

function bytesOf(answer: unknown): Uint8Array {
  if (ArrayBuffer.isView(answer)) return new Uint8Array(answer.buffer, answer.byteOffset, answer.byteLength);
  if (Array.isArray(answer)) return Uint8Array.from(answer as number[]);
  if (Object.prototype.toString.call(answer) === '[object ArrayBuffer]') return new Uint8Array(answer as ArrayBuffer);
  throw broken('it is not made of bytes');
}

function headerOf(bytes: Uint8Array): Header {
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Header;
  } catch (cause) {
    throw broken('its header is no JSON', cause);
  }
  if (!Array.isArray(header?.blobs)) throw broken('its header names no blobs');
  return header;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The two halves of the plugin do not fit each other: versions apart, most likely. */
function broken(why: string, cause?: unknown): SyncError {
  const message = `The plugin's answer cannot be read: ${why}. Are the crate and the npm package of one version?`;
  return new SyncError({ code: 'invoke', message, retryable: false }, { cause });
}
