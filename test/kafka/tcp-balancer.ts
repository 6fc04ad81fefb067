import { once } from 'node:events';
import net from 'node:net';

/** What stands in front of several nodes: each connection goes to the next one that takes it. */
export class TcpBalancer implements AsyncDisposable {
  readonly #targets: readonly net.NetConnectOpts[];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #turn = 0;

  private constructor(targets: readonly net.NetConnectOpts[]) {
    this.#targets = targets;
    this.#server = net.createServer(near => this.#join(near, this.#targets.length));
  }

  static async open(targets: readonly net.NetConnectOpts[]): Promise<TcpBalancer> {
    const balancer = new TcpBalancer(targets);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #join(near: net.Socket, tries: number): void {
    this.#turn += 1;
    const far = net.connect(this.#targets[this.#turn % this.#targets.length]!);
    near.once('error', () => far.destroy());
    const refused = () => (tries > 1 ? this.#join(near, tries - 1) : near.destroy());
    far.once('error', refused);
    far.once('connect', () => {
      far.off('error', refused);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.setNoDelay();
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
  }
}
