/** Finding one's way on a map of points: what lies next in a direction. Nothing here touches the page. */

const WIDEST = Math.PI / 3;

/**
 * The point to go to from another in a direction: near ones before far ones, straight ones before those aside; -1 if
 * there is none. Coordinates are x, y pairs; `dx`, `dy` point with y upwards.
 */
export function toward(places: Float32Array, from: number, dx: number, dy: number): number {
  const x = places[2 * from];
  const y = places[2 * from + 1];
  let best = -1;
  let least = Infinity;
  for (let i = 0; i < places.length / 2; i++) {
    if (i === from) continue;
    const px = places[2 * i] - x;
    const py = places[2 * i + 1] - y;
    const distance = Math.hypot(px, py);
    if (!distance) continue;
    const angle = Math.acos(Math.max(-1, Math.min(1, (px * dx + py * dy) / distance)));
    if (angle > WIDEST) continue;
    const cost = distance * (1 + 2 * angle);
    if (cost < least) {
      least = cost;
      best = i;
    }
  }
  return best;
}

/** The point nearest to the middle of all. */
export function middle(places: Float32Array): number {
  const count = places.length / 2;
  let x = 0;
  let y = 0;
  for (let i = 0; i < count; i++) {
    x += places[2 * i] / count;
    y += places[2 * i + 1] / count;
  }
  let best = count ? 0 : -1;
  let least = Infinity;
  for (let i = 0; i < count; i++) {
    const distance = Math.hypot(places[2 * i] - x, places[2 * i + 1] - y);
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}

/** The `most` points nearest to one, the nearest first: those that may be heard next. */
export function around(places: Float32Array, from: number, most: number): number[] {
  const found: [number, number][] = [];
  for (let i = 0; i < places.length / 2; i++) {
    if (i === from) continue;
    const distance = Math.hypot(places[2 * i] - places[2 * from], places[2 * i + 1] - places[2 * from + 1]);
    if (found.length < most || distance < found[found.length - 1][0]) {
      found.push([distance, i]);
      found.sort((a, b) => a[0] - b[0]);
      if (found.length > most) found.pop();
    }
  }
  return found.map(([, index]) => index);
}
