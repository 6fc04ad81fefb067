import type { Page } from 'playwright-core';
import { type DemonstrationNetwork, eventually } from '../network/demonstration-network.js';

/** What operators do, and what the API says of it. */
export class OperatedNetwork {
  readonly #network: DemonstrationNetwork;

  constructor(network: DemonstrationNetwork) {
    this.#network = network;
  }

  async signIn(page: Page): Promise<void> {
    const { user, password } = this.#network.ready;
    await page.getByLabel('User name').fill(user);
    await page.getByRole('textbox', { name: 'Password' }).fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Live', level: 1 }).waitFor();
  }

  /** At the first site, however slowly it answers. */
  async raise(name: string, device: string | null = null): Promise<string> {
    const document = `mutation ($site: ID!, $device: ID, $name: String!) {
      raiseAlarm(siteId: $site, deviceId: $device, name: $name) { command { state } } }`;
    await this.#network.query(document, { site: this.#network.ready.sites[0]!.id, device, name });
    const list =
      'query ($name: String!) { alarms(filter: { text: $name }, first: 1) { edges { node { id } } } }';
    return eventually('the alarm is known', async () => {
      const { alarms } = await this.#network.query<{ alarms: { edges: { node: { id: string } }[] } }>(list, {
        name,
      });
      return alarms.edges[0]?.node.id;
    });
  }

  async alarmOf(id: string): Promise<AlarmView> {
    const document = 'query ($id: ID!) { alarm(id: $id) { state assignedTo lastEventId history { text } } }';
    return (await this.#network.query<{ alarm: AlarmView }>(document, { id })).alarm;
  }
}

export interface AlarmView {
  readonly state: string;
  readonly assignedTo: string | null;
  readonly lastEventId: string;
  readonly history: readonly { readonly text: string }[];
}
