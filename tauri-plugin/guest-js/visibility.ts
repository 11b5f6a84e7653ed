/**
 * Tells the plugin when the page comes to the front or leaves it, and when the web view finds a network again.
 *
 * Coming back is when a sleeping connection is noticed and redialled; platforms tell the native side unreliably, and the page hears of
 * it on all of them. The plugin takes these as hints: repeated, missing or out of order does no harm. That the web view believes itself
 * offline is not passed on: it may be wrong where the relay stands in the next room, and a link that is down is noticed anyway.
 */

/** Calls `tell` at each change. What it answers is of no interest: a window without the right to tell is no fault. */
export function watchVisibility(tell: (visible: boolean) => Promise<unknown>): void {
  if (typeof document === 'undefined') return;
  document.addEventListener('visibilitychange', () => {
    tell(document.visibilityState === 'visible').catch(() => undefined);
  });
  // A reason to look after the link now, as coming to the front is.
  window.addEventListener('online', () => void tell(true).catch(() => undefined));
}
