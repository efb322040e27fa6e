// What the screen Compare is told: late/compare.py.

export type Pair = {
  layers: [string | null, string | null];
  kinds: [string, string];
  shapes: [(number | null)[] | null, (number | null)[] | null];
  same: boolean;
  same_equation: boolean;
  weights: { how: string; largest: number | null } | null;
  difference: number | string | null;
  own_difference: number | string | null;
  room: number | string | null;
  agrees: boolean | null;
  why_not: string | null;
  unlike: string | null;
};
export type Side = { equation: string; steps: [string, number | string | null][]; terms: number };
export type First = {
  layers: [string, string];
  positions: [number[], number[]];
  values: [number | string, number | string];
  roundings: [number | string, number | string];
  cause: string | null;
  ledgers: [Side | null, Side | null];
  terms: { names: string[]; rows: (string | number)[][]; rest: [number | string, number | string] | null; all: number } | null;
};
export type Told = {
  names: [string, string];
  agree: boolean | null;
  ran: boolean;
  verdict: string;
  /** The place of the first pair whose own arithmetic differs. */
  first: number | null;
  first_difference: First | null;
  layers: Pair[];
};
export type Maps = { maps: number; tile: [number, number]; largest: (number | null)[]; start: number; position: number[] };
