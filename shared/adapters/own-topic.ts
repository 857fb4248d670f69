import type { TaskDescription } from './contract.ts';

/** The full name of a distributor's own topic; one without a project is in that of our own topic, where deploy.sh subscribes it. */
export function ownTopicName(topic: string, { prepareTopic }: Pick<TaskDescription, 'prepareTopic'>): string {
  return topic.includes('/') ? topic : prepareTopic().topic.replace(/[^/]+$/, () => topic);
}
