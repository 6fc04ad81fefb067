import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { installVideoProbe } from './video-probe.js';

const SYSTEM_CHROMIUM = '/usr/bin/chromium';
/** Everything that would call somewhere else is off; no other machine is needed. */
const ARGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];
/** The smallest screen of a control room. */
const VIEWPORT = { width: 1366, height: 768 };

/** `$CHROMIUM`, or the system's; null when there is none. */
export function chromiumPath(): string | null {
  const path = process.env.CHROMIUM ?? SYSTEM_CHROMIUM;
  return existsSync(path) ? path : null;
}

/** A browser with the console in it, which writes down everything that goes wrong. */
export class ConsoleBrowser implements AsyncDisposable {
  readonly page: Page;
  /** Console errors, page errors, requests that failed or were refused, violations of the content security policy. */
  readonly problems: string[];
  readonly #browser: Browser;

  readonly #address: string;

  private constructor(browser: Browser, page: Page, { address, problems }: Watched) {
    this.#browser = browser;
    this.#address = address;
    this.page = page;
    this.problems = problems;
  }

  static async open(executablePath: string, address: string): Promise<ConsoleBrowser> {
    const browser = await chromium.launch({ executablePath, args: ARGS });
    const watched = { address, problems: [] };
    return new ConsoleBrowser(browser, await screenIn(browser, watched), watched);
  }

  /** The console once more, as at another desk: what goes wrong there is written down here too. */
  newScreen(): Promise<Page> {
    return screenIn(this.#browser, { address: this.#address, problems: this.problems });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

interface Watched {
  readonly address: string;
  readonly problems: string[];
}

async function screenIn(browser: Browser, { address, problems }: Watched): Promise<Page> {
  const page = await browser.newPage({ viewport: VIEWPORT });
  page.on('console', message => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', error => problems.push(`page: ${error.stack ?? error.message}`));
  page.on('requestfailed', request =>
    problems.push(`request: ${request.failure()?.errorText} ${pathOf(request.url())}`),
  );
  page.on('response', response => {
    if (response.status() >= 400) problems.push(`response: ${response.status()} ${pathOf(response.url())}`);
  });
  await page.addInitScript(installVideoProbe);
  await page.goto(address);
  return page;
}

function pathOf(url: string): string {
  return new URL(url).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…');
}
