// Charts of the page need no maps, trees, forces or Vega-Lite: half of Vega's size stays out of every page.
import { transforms } from 'vega-dataflow';
import * as encode from 'vega-encode';
import * as label from 'vega-label';
import * as base from 'vega-transforms';
import * as view from 'vega-view-transforms';

Object.assign(transforms, base, view, encode, label);

export { expressionInterpreter } from 'vega-interpreter'; // expressions without eval, for a strict content policy
export { parse } from 'vega-parser';
export { View } from 'vega-view';
