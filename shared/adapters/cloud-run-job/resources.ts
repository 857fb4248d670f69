import { z } from 'zod';
import { noError } from '../job-calls.ts';

/**
 * What we read of Cloud Run's answers: google.cloud.run.v2.Job, Execution and Task, of which zeros are left out
 * (https://github.com/googleapis/googleapis/tree/master/google/cloud/run/v2).
 */

export const jobSchema = z.object({
  name: z.string(),
  template: z.object({
    template: z.object({
      /** Zero is written, since it is in a oneof; absent is the default, 3. */
      maxRetries: z.number().optional(),
    }),
  }),
});

export const executionSchema = z.object({
  name: z.string(),
  createTime: z.string().optional(),
  startTime: z.string().optional(),
  completionTime: z.string().optional(),
  template: z
    .object({
      timeout: z.string().optional(),
      containers: z
        .array(
          z.object({
            name: z.string().optional(),
            /** With the digest that its tag had when the execution was created. */
            image: z.string().optional(),
            env: z.array(z.object({ name: z.string().optional(), value: z.string().optional() })).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  conditions: z
    .array(
      z.object({
        type: z.string().optional(),
        state: z.string().optional(),
        message: z.string().optional(),
        /** At most one of both. */
        reason: z.string().optional(),
        executionReason: z.string().optional(),
      }),
    )
    .optional(),
  taskCount: z.number().optional(),
  runningCount: z.number().optional(),
  succeededCount: z.number().optional(),
  failedCount: z.number().optional(),
  cancelledCount: z.number().optional(),
  logUri: z.string().optional(),
});
export type CloudRunExecution = z.infer<typeof executionSchema>;

export const taskSchema = z.object({
  index: z.number().optional(),
  startTime: z.string().optional(),
  completionTime: z.string().optional(),
  lastAttemptResult: z
    .object({
      status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
      exitCode: z.number().optional(),
      termSignal: z.number().optional(),
    })
    .optional(),
});
export type CloudRunTask = z.infer<typeof taskSchema>;

export const executionPageSchema = z.object({
  ...noError,
  executions: z.array(executionSchema).optional(),
  nextPageToken: z.string().optional(),
});

export const taskPageSchema = z.object({ tasks: z.array(taskSchema).optional() });

/** google.longrunning.Operation, whose metadata is the execution. */
export const startSchema = z.object({ metadata: z.object({ name: z.string() }) });

/** Its error may be that of the job, which has failed by itself. */
export const cancelSchema = z.object(noError);
