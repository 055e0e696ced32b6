/** What the uploader sends: finding the files of what was dropped, and cutting them into pieces. */

export interface Found {
  /** With `/` between folders, as the user's disk has it. */
  path: string;
  file: File;
}

interface Entry {
  isFile: boolean;
  isDirectory: boolean;
  fullPath: string;
  file?(good: (file: File) => void, bad: (error: unknown) => void): void;
  createReader?(): { readEntries(good: (entries: Entry[]) => void, bad: (error: unknown) => void): void };
}

/** Files and folders of a drop. The list of items is emptied when the drop's event is over: call this within it. */
export function dropped(transfer: DataTransfer): { entries: Entry[]; files: Found[] } {
  const entries: Entry[] = [];
  const files: Found[] = [];
  for (const item of Array.from(transfer.items)) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.() as Entry | null;
    const file = entry ? null : item.getAsFile();
    if (entry) entries.push(entry);
    else if (file) files.push({ path: file.name, file });
  }
  return { entries, files };
}

/** All files below some entries, in order of names. What cannot be read is told to `unreadable`. */
export async function walk(entries: Entry[], unreadable: (path: string, error: unknown) => void): Promise<Found[]> {
  const found: Found[] = [];
  for (const entry of entries) {
    try {
      if (entry.isDirectory) found.push(...(await walk(await listed(entry), unreadable)));
      else found.push({ path: entry.fullPath.replace(/^\/+/, ""), file: await opened(entry) });
    } catch (error) {
      unreadable(entry.fullPath, error);
    }
  }
  return found;
}

function opened(entry: Entry): Promise<File> {
  return new Promise((resolve, reject) => entry.file!(resolve, reject));
}

async function listed(folder: Entry): Promise<Entry[]> {
  const reader = folder.createReader!();
  const all: Entry[] = [];
  for (;;) {
    // A reader gives at most a hundred at a time, and none at the end.
    const some = await new Promise<Entry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    all.push(...some);
  }
  return all.sort((a, b) => (a.fullPath < b.fullPath ? -1 : 1));
}

export function picked(files: FileList): Found[] {
  return Array.from(files, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

export interface Piece {
  index: number;
  offset: number;
  bytes: Blob;
}

/** Cut files into pieces and put small ones together: each pack has at most `size` bytes. */
export function* packs(files: { index: number; file: Blob }[], size: number, skip: Set<number>): Generator<Piece[]> {
  let pack: Piece[] = [];
  let room = size;
  for (const { index, file } of files) {
    let offset = 0;
    while (offset < file.size && !skip.has(index)) {
      const stop = Math.min(file.size, offset + room);
      pack.push({ index, offset, bytes: file.slice(offset, stop) });
      room -= stop - offset;
      offset = stop;
      if (room > 0) continue;
      yield pack;
      [pack, room] = [[], size];
    }
  }
  if (pack.length) yield pack;
}

/** `3.2 MB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) [bytes, at] = [bytes / 1000, at + 1];
  return `${bytes < 10 && at > 0 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
}
