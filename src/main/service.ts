// `npm start`: the service from the environment and `.env`. It lives until SIGTERM or SIGINT.
import { keepCompiled } from './keep-compiled.ts';

keepCompiled();
const { runService } = await import('./run-service.ts');
await runService();
