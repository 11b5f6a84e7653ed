/** Times as people say them. */

const DAY_MS = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** "just now", "5 min ago", "14:20", "3 Mar". */
export function ago(time: number, now = Date.now()): string {
  const seconds = (now - time) / 1000;
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return daysBefore(time, now) === 0 ? clock.format(time) : date.format(time);
}

/** The heading a note stands under. */
export function period(time: number, now = Date.now()): string {
  const days = daysBefore(time, now);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 7 ? 'This week' : 'Earlier';
}

/** "9:05" until then, "0:00" after. */
export function countdown(untilSeconds: number, now = Date.now()): string {
  const left = Math.max(0, Math.ceil(untilSeconds - now / 1000));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
}

function daysBefore(time: number, now: number): number {
  const midnight = (moment: number): number => new Date(moment).setHours(0, 0, 0, 0);
  return Math.round((midnight(now) - midnight(time)) / DAY_MS);
}
