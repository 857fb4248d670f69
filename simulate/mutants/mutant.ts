/** A deliberate bug: text of the product that is replaced while it is loaded. */
export interface Mutant {
  name: string;
  /** From the project's root. */
  file: string;
  /** Stands in the file exactly once. */
  find: string;
  put: string;
  /** It gets as many worlds as this, where what it takes seldom comes together. */
  seeds?: number;
  /** Hunted in the fault matrix of this story, as it takes things that hardly ever happen together by chance. */
  story?: string;
}
