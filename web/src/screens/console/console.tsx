export default function Console(_: { rest: string[] }) {
  return null;
}
