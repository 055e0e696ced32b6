/** Settings of one stem, as Python keeps them in the trait `mix`. */
export interface StemState {
  gain_db: number;
  pan: number;
  muted: boolean;
  solo: boolean;
}

export type MixState = Record<string, StemState>;

export const LOWEST_DB = -60;
export const HIGHEST_DB = 12;

/** Whether a stem sounds: it is not muted, and if some are soloed it is one of them. */
export function isHeard(state: MixState, stem: string): boolean {
  const own = state[stem];
  const solo = Object.values(state).some((each) => each.solo);
  return !own.muted && (own.solo || !solo);
}

export function gainOf(db: number): number {
  return 10 ** (db / 20);
}

/** The state with some settings of one stem changed, within their ranges. */
export function changed(state: MixState, stem: string, settings: Partial<StemState>): MixState {
  const made = { ...state[stem], ...settings };
  made.gain_db = Math.round(Math.max(LOWEST_DB, Math.min(HIGHEST_DB, made.gain_db)) * 10) / 10;
  made.pan = Math.round(Math.max(-1, Math.min(1, made.pan)) * 100) / 100;
  return { ...state, [stem]: made };
}

export function sayDb(db: number): string {
  return `${db > 0 ? "+" : ""}${db.toFixed(1)} dB`;
}

export function sayPan(pan: number): string {
  return pan === 0 ? "middle" : `${Math.round(Math.abs(pan) * 100)} % ${pan < 0 ? "left" : "right"}`;
}
