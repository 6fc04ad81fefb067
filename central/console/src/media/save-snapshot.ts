import { currentSession } from '../session/session.store';
import { notify } from '../ui/notice.store';

/** Of a file: no colons, so that every system takes it. */
const fileNameOf = (name: string, at: string): string =>
  `${name} ${at.replaceAll(':', '.')}.jpg`.replaceAll(/[\\/:*?"<>|]/g, '_');

/** Saves the picture of that instant, or the newest, as a JPEG that is named for the camera and the time of the picture. */
export async function saveSnapshot(device: { id: string; name: string }, atMs: number | null): Promise<void> {
  const query = atMs === null ? '' : `?${new URLSearchParams({ at: new Date(atMs).toISOString() })}`;
  const refuse = (text: string) => notify({ tone: 'bad', title: `No picture of ${device.name}`, text });
  try {
    const response = await fetch(`/media/${encodeURIComponent(device.id)}/snapshot${query}`, {
      headers: { authorization: `Bearer ${currentSession()?.token ?? ''}` },
    });
    if (!response.ok) {
      const answer = (await response.json().catch(() => ({}))) as { message?: string };
      refuse(answer.message ?? `The central answered ${response.status}`);
      return;
    }
    const takenAt = response.headers.get('x-holdfast-at') ?? new Date(atMs ?? Date.now()).toISOString();
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await response.blob());
    link.download = fileNameOf(device.name, takenAt);
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    refuse((error as Error).message);
  }
}
