/** Invite links, `zerok-notes://join?i=…`: while the app runs, and as what started it. A link only asks; joining is a person's decision. */

import { getCurrent, onOpenUrl } from '@tauri-apps/plugin-deep-link';

export async function followLinks(invited: (link: string) => void): Promise<void> {
  const open = (links: string[] | null): void => links?.forEach((link) => invited(link));
  await onOpenUrl(open);
  open(await getCurrent());
}
