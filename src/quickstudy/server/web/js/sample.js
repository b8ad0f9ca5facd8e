// A small table to try, with measures and words, of leaves whose tree is known for most.

export const SAMPLE = `length_cm,width_cm,edge,tip,tree
11.2,7.9,lobed,round,oak
10.4,6.8,lobed,round,oak
12.6,8.1,lobed,round,oak
9.8,6.1,lobed,round,oak
12.0,13.8,lobed,pointed,maple
10.9,12.4,lobed,pointed,maple
13.1,14.9,lobed,pointed,maple
9.7,11.2,lobed,pointed,maple
7.8,4.9,smooth,pointed,beech
8.6,5.6,smooth,pointed,beech
7.1,4.4,smooth,pointed,beech
9.0,5.9,smooth,pointed,beech
5.2,4.1,toothed,pointed,birch
4.6,3.7,toothed,pointed,birch
5.9,4.4,toothed,pointed,birch
4.9,3.8,toothed,pointed,birch
11.6,12.9,lobed,pointed,
10.1,6.5,lobed,round,
5.5,4.0,toothed,pointed,
8.2,5.1,smooth,pointed,
,6.9,lobed,round,
6.9,4.6,smooth,,
`;
