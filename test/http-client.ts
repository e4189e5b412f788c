// The HTTP client of a test run: HTTP_CLIENT=undici runs the tests of the data path over the other one.
import type { HttpClient } from '../src/exchange/connections.ts';

export const TEST_HTTP_CLIENT: HttpClient = process.env['HTTP_CLIENT'] === 'undici' ? 'undici' : 'own';
