/** A whole number of the command line. Throws when it is none. */
export function wholeNumber(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new Error(`--${name}: must be a whole number, not "${text}"`);
  return Number(text);
}
