// AWS's own runtime client for Node, the program that runs handlers in Lambda's container images.
import { join } from 'node:path';
import type { Runtime } from '../lambda/function-process.ts';
import { type Installed, installNodeProgram } from './install.ts';

const NAME = 'aws-lambda-ric';

/** Installs the client where it is missing. */
export async function installLambdaClient(tell: (line: string) => void): Promise<Installed> {
  return installNodeProgram({ name: NAME, version: '4.0.2', needs: ['cmake', 'g++'] }, tell);
}

/** The runtime that the client is, installed in `folder`. */
export function clientRuntime(folder: string): Runtime {
  return {
    name: "AWS's runtime client",
    command: process.execPath,
    args: [join(folder, 'node_modules', NAME, 'index.mjs')],
  };
}
