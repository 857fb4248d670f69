/** Pages of the Google Cloud console. */

const CONSOLE = 'https://console.cloud.google.com';

/** The job's own page; `undefined` for what is not the name of a job. */
export function jobPage(token: string): string | undefined {
  const [, project, location, job] =
    /^projects\/([a-z0-9.:-]+)\/locations\/([a-z0-9-]+)\/jobs\/([a-z0-9-]+)$/.exec(token) ?? [];
  if (project === undefined) return undefined;
  return `${CONSOLE}/batch/jobsDetail/regions/${location}/jobs/${job}/details?project=${encodeURIComponent(project)}`;
}

/** What the job's tasks and agents wrote: https://cloud.google.com/batch/docs/analyze-job-using-logs */
export function logsPage(project: string, uid: string): string {
  const query = encodeURIComponent(`labels.job_uid=${JSON.stringify(uid)}`);
  return `${CONSOLE}/logs/query;query=${query}?project=${encodeURIComponent(project)}`;
}
