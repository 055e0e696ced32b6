import { Engine } from "./engine";
import { Host } from "./protocol";

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class AudiolabProcessor extends AudioWorkletProcessor {
  private readonly host: Host;

  constructor() {
    super();
    this.host = new Host(new Engine(sampleRate), (message, transfer) => this.port.postMessage(message, transfer ?? []));
    this.port.onmessage = (event) => this.host.receive(event.data);
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [left, right] = outputs[0];
    this.host.run(left, right);
    return !this.host.closed;
  }
}

registerProcessor("audiolab", AudiolabProcessor);
