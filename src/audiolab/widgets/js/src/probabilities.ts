/** Calibrated probabilities of labels, as `Head.probabilities` gives them in Python; equal ones for silence. */
export function probabilities(vector: Float32Array | null, weight: Float32Array, bias: Float32Array, count: number, temperature: number): number[] {
  if (!vector || vector.every((value) => value === 0)) return Array.from({ length: count }, () => 1 / count);
  const logits = Array.from({ length: count }, (_, label) => {
    let sum = bias[label];
    for (let i = 0; i < vector.length; i++) sum += vector[i] * weight[i * count + label];
    return sum / temperature;
  });
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
