/** RFC 6381 codecs of an H.264 (and AAC) init segment, for answers whose content type does not name them. */
export function codecsOf(init: Uint8Array): string | null {
  const find = (name: string): number => {
    const [a, b, c, d] = [...name].map(letter => letter.charCodeAt(0));
    for (let at = 0; at + 4 <= init.length; at += 1)
      if (init[at] === a && init[at + 1] === b && init[at + 2] === c && init[at + 3] === d) return at;
    return -1;
  };
  const avcC = find('avcC');
  if (avcC < 0) return null;
  const profile = [...init.subarray(avcC + 5, avcC + 8)]
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('');
  return `avc1.${profile}${find('mp4a') >= 0 ? ',mp4a.40.2' : ''}`;
}

export const codecsOfContentType = (contentType: string | null): string | null =>
  /codecs="([^"]+)"/.exec(contentType ?? '')?.[1] ?? null;
