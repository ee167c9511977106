// Runs the engine of a lab in a Web Worker. The page hears why, if that is not possible.
import('./engine.js')
    .then(engine => engine.default())
    .catch(error => postMessage(JSON.stringify({ crashed: String(error) })));
