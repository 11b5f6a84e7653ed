/**
 * Tells the plugin when the page comes to the front or leaves it.
 *
 * Coming back is when a sleeping connection is noticed and redialled; platforms tell the native side unreliably, and the page hears of
 * it on all of them. The plugin takes these as hints: repeated, missing or out of order does no harm.
 */

/** Calls `tell` at each change. What it answers is of no interest: a window without the right to tell is no fault. */
export function watchVisibility(tell: (visible: boolean) => Promise<unknown>): void {
  if (typeof document === 'undefined') return;
  document.addEventListener('visibilitychange', () => {
    tell(document.visibilityState === 'visible').catch(() => undefined);
  });
}
