import type { Marker } from "./mechanism.ts";

/** How many of the first `length` tokens are text. */
export function textTokens(length: number, marker: Marker | undefined): number {
  return marker ? length - Math.floor(length / marker.every) : length;
}

/** How many tokens, markers included, so many of text take at most, wherever they begin. */
export function markedTokens(text: number, marker: Marker | undefined): number {
  return marker ? Math.ceil(text * marker.every / (marker.every - 1)) : text;
}
