// Writes the XML of answers. Children are XML already, texts are escaped here.

const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** One element with text inside. */
export function text(name: string, value: string | number | boolean): string {
  return `<${name}>${escapeText(String(value))}</${name}>`;
}

/** One element with elements inside; `children` are already XML. */
export function group(name: string, ...children: readonly string[]): string {
  return `<${name}>${children.join('')}</${name}>`;
}

/** As `group`, in the namespace of S3's answers. */
export function root(name: string, ...children: readonly string[]): string {
  return `<${name} xmlns="${s3Namespace}">${children.join('')}</${name}>`;
}

export function document(rootElement: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${rootElement}`;
}

/** S3 writes control characters as character references although XML 1.0 has no place for most of them. */
function escapeText(value: string): string {
  return value.replaceAll(/[&<>"]|[^\t\n\u0020-\uffff]/g, (character) => {
    switch (character) {
      case '&':
        return '&amp;';
      case '<':
        return '&lt;';
      case '>':
        return '&gt;';
      case '"':
        return '&quot;';
      default:
        return `&#x${character.codePointAt(0)?.toString(16) ?? ''};`;
    }
  });
}
