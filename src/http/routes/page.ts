// GET / and its files: a page without a framework that asks the API like everybody else. The files hold no data,
// so they are open.
import fastifyStatic from '@fastify/static';
import type { HttpApp } from '../http-deps.ts';

const PAGE_FOLDER = new URL('../page/', import.meta.url);

const PAGE_FILES: Readonly<Record<string, string>> = {
  '/': 'index.html',
  '/page.css': 'page.css',
  '/page.js': 'page.js',
  '/api.js': 'api.js',
  '/build-element.js': 'build-element.js',
  '/transfer-list.js': 'transfer-list.js',
  '/object-story.js': 'object-story.js',
  '/alert-list.js': 'alert-list.js',
  '/brake-list.js': 'brake-list.js',
  '/parked-list.js': 'parked-list.js',
  '/favicon.svg': 'favicon.svg',
};

/** Registers what sends the files; before the routes. */
export function registerPageFiles(app: HttpApp): void {
  void app.register(fastifyStatic, { root: PAGE_FOLDER, serve: false, etag: true, lastModified: false });
}

export function registerPageRoutes(app: HttpApp): void {
  for (const [url, file] of Object.entries(PAGE_FILES)) {
    app.route({
      method: 'GET',
      url,
      config: { scope: 'open' },
      schema: { hide: true },
      handler: async (_request, reply) => reply.sendFile(file),
    });
  }
}
