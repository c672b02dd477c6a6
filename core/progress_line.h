/** Private to core/: the log takes the progress line off the terminal before it writes. */
#ifndef MUR_CORE_PROGRESS_LINE_H
#define MUR_CORE_PROGRESS_LINE_H

/** Wipes the progress line if one is shown; it comes back with its next update. Any thread. */
void mur_progress_line_hide(void);

#endif
