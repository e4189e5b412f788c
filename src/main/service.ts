// `npm start`: the service from the environment and `.env`. It lives until SIGTERM or SIGINT.
import { runService } from './run-service.ts';

await runService();
