// Folders of pictures that are dropped or chosen: the folder that a file lies in is its label.

const PICTURE = /\.(jpe?g|png|webp|gif|bmp)$/i;

/** [{file, label}] of what a drop brings; label null for files that lie in no folder. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map((entry) => walk(entry, null)))).flat();
}

/** The same of files that were chosen with their folder. */
export function chosen(files) {
  return [...files].filter((file) => PICTURE.test(file.name)).map((file) => ({ file, label: file.webkitRelativePath.split("/").at(-2) ?? null }));
}

async function walk(entry, label) {
  if (entry.isFile) {
    if (!PICTURE.test(entry.name)) return [];
    return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), label }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a reader tells a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((one) => walk(one, entry.name)))).flat();
}
