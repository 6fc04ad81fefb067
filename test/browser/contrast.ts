/** Text that is hard to read: what WCAG 2 calls a failure of level AA. */
export interface FaintText {
  readonly text: string;
  readonly where: string;
  readonly ratio: number;
}

/**
 * Runs in the page: every text that is shown now, and placeholders, with less contrast to what is behind them than 4.5 (large text: 3).
 * What is switched off, or lies on a picture, is not looked at.
 */
export function faintTexts(): FaintText[] {
  type Colour = readonly [red: number, green: number, blue: number, alpha: number];
  const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  const colours = new Map<string, Colour>();
  const colourOf = (css: string): Colour => {
    const known = colours.get(css);
    if (known !== undefined) return known;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    const colour: Colour = [red!, green!, blue!, alpha! / 255];
    colours.set(css, colour);
    return colour;
  };
  const over = (front: Colour, back: Colour): Colour => {
    const mix = (index: 0 | 1 | 2) => front[index] * front[3] + back[index] * (1 - front[3]);
    return [mix(0), mix(1), mix(2), 1];
  };
  const lineage = (element: Element): Element[] => {
    const parents: Element[] = [];
    for (let at: Element | null = element; at !== null; at = at.parentElement) parents.push(at);
    return parents;
  };
  const backgroundOf = (element: Element): Colour =>
    lineage(element)
      .reverse()
      .reduce<Colour>(
        (back, parent) => over(colourOf(getComputedStyle(parent).backgroundColor), back),
        [255, 255, 255, 1],
      );
  const luminance = ([red, green, blue]: Colour): number => {
    const linear = (value: number) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const contrast = (one: Colour, other: Colour): number => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  };
  const isLookedAt = (element: Element): boolean =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.closest('[disabled], [data-disabled], [aria-disabled=true], .tile-picture, .footage-picture') ===
      null &&
    element.getBoundingClientRect().width > 1;
  const faint: FaintText[] = [];
  const look = (element: Element, text: string, pseudo?: string): void => {
    const style = getComputedStyle(element, pseudo);
    const opacity = lineage(element).reduce(
      (product, parent) => product * Number(getComputedStyle(parent).opacity),
      1,
    );
    const back = backgroundOf(element);
    const [red, green, blue, alpha] = colourOf(style.color);
    const ratio = contrast(over([red, green, blue, alpha * opacity], back), back);
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio >= (isLarge ? 3 : 4.5)) return;
    const where = `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}${pseudo ?? ''}`;
    faint.push({ text: text.slice(0, 60), where, ratio: Math.round(ratio * 100) / 100 });
  };
  for (const element of document.querySelectorAll('body *')) {
    if (!isLookedAt(element)) continue;
    const text = [...element.childNodes]
      .filter(node => node.nodeType === Node.TEXT_NODE)
      .map(node => node.textContent?.trim() ?? '')
      .join('');
    if (text !== '') look(element, text);
    if (element instanceof HTMLInputElement && element.placeholder !== '' && element.value === '')
      look(element, element.placeholder, '::placeholder');
  }
  return faint;
}
