import { z } from 'zod';

/** What configs for Google's services say in the same way. */

/** An id, of an organization with a domain too, or a number: https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects */
export const googleProject = z
  .string()
  .regex(/^([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{5,29}$/, 'must be the id or number of a project');

export const serviceAccountEmail = z
  .string()
  .regex(/^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$/, 'must be the email of a service account');

/** RFC 1123, as far as it begins with a letter: names of locations, jobs and containers. */
export function nameLike(problem: string) {
  return z.string().regex(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, problem);
}
