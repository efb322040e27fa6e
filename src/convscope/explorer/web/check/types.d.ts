// What the screen Check is told: late/check.py.

export type Found = {
  rule: string;
  title: string;
  class: "fact" | "predicted" | "advice";
  layer: string;
  words: string;
  numbers: Record<string, any>;
  proof: string;
  repair: { words: string; edits: [string, string, any][] } | null;
  source: string;
};
export type Told = {
  findings: Found[];
  quiet: string[];
  not_run: Record<string, string>;
  ignored: Record<string, number>;
  not_judged: string[];
  /** Layer → how many facts, and other findings. */
  marks: Record<string, [number, number]>;
  image: string | null;
  /** Over how many images a survey counted; null without one. */
  surveyed: number | null;
};
