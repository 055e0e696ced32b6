declare module "*.css" {
  const text: string;
  export default text;
}
/** Code of the audio worklet; put in by build.mjs. */
declare const WORKLET_CODE: string;
