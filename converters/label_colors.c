#include "converters/label_colors.h"

#include <string.h>

#include "core/own.h"

void mur_label_color(uint8_t rgb[3], uint32_t value)
{
    static const uint8_t colors[][3] = {
        {221, 130, 101}, {128, 174, 128}, {241, 214, 145}, {111, 184, 210}, {216, 101, 79},
        {183, 156, 220}, {185, 232, 61},  {205, 205, 100}, {177, 122, 101}, {92, 162, 109},
    };
    memcpy(rgb, colors[value % MUR_COUNT(colors)], 3);
}
