import { Engine } from "./engine";
import { type Command, Host, type Report, type Tapped } from "./protocol";

type Receive = (message: Report | Tapped) => void;

interface Shared {
  context: AudioContext;
  users: number;
  ready: Promise<boolean>;
}

/** One context a sample rate, shared by the whole page: sounds are played at their own rate, sample by sample. */
const contexts = new Map<number, Shared>();
let code: string | null = null;

function take(sampleRate: number): Shared {
  let shared = contexts.get(sampleRate);
  if (!shared) {
    const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    // Browsers keep worklets from pages that came over plain http from another machine.
    const ready = context.audioWorklet ? context.audioWorklet.addModule(workletUrl()).then(() => true) : Promise.resolve(false);
    shared = { context, users: 0, ready };
    contexts.set(sampleRate, shared);
  }
  shared.users++;
  return shared;
}

function release(sampleRate: number): void {
  const shared = contexts.get(sampleRate);
  if (!shared || --shared.users > 0) return;
  contexts.delete(sampleRate);
  void shared.context.close();
}

function workletUrl(): string {
  code ??= URL.createObjectURL(new Blob([WORKLET_CODE], { type: "text/javascript" }));
  return code;
}

/** Where an engine runs and its sound goes: an audio worklet, or where there is none a script processor. */
export class Output {
  private constructor(
    private readonly shared: Shared,
    private readonly sampleRate: number,
    private readonly node: AudioNode,
    readonly send: (command: Command, transfer?: Transferable[]) => void,
  ) {}

  static async open(sampleRate: number, receive: Receive): Promise<Output> {
    const shared = take(sampleRate);
    try {
      const { context } = shared;
      if (await shared.ready) {
        const node = new AudioWorkletNode(context, "audiolab", { numberOfInputs: 0, outputChannelCount: [2] });
        node.port.onmessage = (event) => receive(event.data);
        node.connect(context.destination);
        return new Output(shared, sampleRate, node, (command, transfer) => node.port.postMessage(command, transfer ?? []));
      }
      const host = new Host(new Engine(sampleRate), receive);
      const node = context.createScriptProcessor(1024, 0, 2);
      node.onaudioprocess = ({ outputBuffer }) => host.run(outputBuffer.getChannelData(0), outputBuffer.getChannelData(1));
      node.connect(context.destination);
      return new Output(shared, sampleRate, node, (command) => host.receive(command));
    } catch (error) {
      release(sampleRate);
      throw error;
    }
  }

  /** Let it sound; browsers allow that only after a click or a key. */
  async resume(): Promise<void> {
    if (this.shared.context.state === "running") return;
    await this.shared.context.resume();
  }

  get time(): number {
    return this.shared.context.currentTime;
  }

  close(): void {
    this.send({ type: "close" });
    this.node.disconnect();
    release(this.sampleRate);
  }
}
