@ One multiplication at a time: r2 and r3 hold an input's weights of both outputs, r12 and lr an input of a pixel each.

@ One output of one pixel: what `arithmetic::requantise` does.
.macro requantise sum, multiplier
    smull   lr, \sum, \sum, \multiplier
    adds    lr, lr, #0x80000000
    adc     \sum, \sum, #0
    usat    \sum, #8, \sum
.endm

@ An input's weights of both outputs.
.macro weights at
    ldrsb.w r2, [r0, #(\at)]
    ldrsb.w r3, [r0, #(\at + 1)]
.endm

@ An input of two pixels.
.macro inputs at0, at1
    ldrh.w  r12, [r1, #(\at0)]
    ldrh.w  lr, [r1, #(\at1)]
.endm

@ An input of a pixel, times both outputs' weights.
.macro both input, sum0, sum1
    mla     \sum0, r2, \input, \sum0
    mla     \sum1, r3, \input, \sum1
.endm

@ Four pixels, one tap. A unit is two inputs: 28 instructions for 16 MACs.
    .section .text.denselet_pixels_by_four,"ax",%progbits
    .global denselet_pixels_by_four
    .type denselet_pixels_by_four,%function
    .thumb_func
denselet_pixels_by_four:
    enter   4, WORD, PIXELS, 2f, 3f
1:  start_pixels
    mov     r6, r4
    mov     r7, r4
    mov     r10, r8
    mov     r11, r8
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    input, 0
    .rept   8
    .set    at, 16 * (input / 2) + 2 * (input % 2)
    weights (2 * input)
    inputs  at, (at + 4)
    both    r12, r4, r8
    both    lr, r5, r9
    inputs  (at + 8), (at + 12)
    both    r12, r6, r10
    both    lr, r7, r11
    .set    input, input + 1
    .endr
3:  again   4, WORD, PIXELS, 2b
    write_four 1b
    .size denselet_pixels_by_four, . - denselet_pixels_by_four

@ Two pixels, one tap. A unit is two inputs: 16 instructions for 8 MACs.
    .section .text.denselet_pixels_by_two,"ax",%progbits
    .global denselet_pixels_by_two
    .type denselet_pixels_by_two,%function
    .thumb_func
denselet_pixels_by_two:
    enter   4, WORD, PIXELS, 2f, 3f
1:  start_pixels
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    input, 0
    .rept   8
    .set    at, 16 * (input / 2) + 2 * (input % 2)
    weights (2 * input)
    inputs  at, (at + 4)
    both    r12, r4, r8
    both    lr, r5, r9
    .set    input, input + 1
    .endr
3:  again   4, WORD, PIXELS, 2b
    write_two 1b
    .size denselet_pixels_by_two, . - denselet_pixels_by_two

@ Four pixels, rows of three taps. A unit is two inputs of a row: 76 instructions for 48 MACs. Of six columns, each tap
@ needs four, and two stay in registers from one tap to the next.
    .section .text.denselet_window_by_four,"ax",%progbits
    .global denselet_window_by_four
    .type denselet_window_by_four,%function
    .thumb_func
denselet_window_by_four:
    enter   2, ROW, COLUMNS, 2f, 3f
1:  start_window
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    input, 0
    .rept   4
    .set    at, 24 * (input / 2) + 2 * (input % 2)
    .set    weight, 12 * (input / 2) + 2 * (input % 2)
    weights weight
    inputs  at, (at + 12)
    both    r12, r4, r8
    both    lr, r7, r11
    inputs  (at + 4), (at + 8)
    both    r12, r5, r9
    both    lr, r6, r10
    weights (weight + 4)
    both    r12, r4, r8
    both    lr, r5, r9
    inputs  (at + 12), (at + 16)
    both    r12, r6, r10
    both    lr, r7, r11
    weights (weight + 8)
    both    r12, r5, r9
    both    lr, r6, r10
    inputs  (at + 8), (at + 20)
    both    r12, r4, r8
    both    lr, r7, r11
    .set    input, input + 1
    .endr
3:  again   2, ROW, COLUMNS, 2b
    write_four 1b
    .size denselet_window_by_four, . - denselet_window_by_four

@ Two pixels, rows of three taps: 44 instructions for 24 MACs, four columns in r6, r7, r10 and r11.
    .section .text.denselet_window_by_two,"ax",%progbits
    .global denselet_window_by_two
    .type denselet_window_by_two,%function
    .thumb_func
denselet_window_by_two:
    enter   2, ROW, COLUMNS, 2f, 3f
1:  start_window
    ldr     pc, [sp, #ENTRY]
    .balign 4
2:  .set    input, 0
    .rept   4
    .set    at, 24 * (input / 2) + 2 * (input % 2)
    .set    weight, 12 * (input / 2) + 2 * (input % 2)
    ldrh.w  r6, [r1, #at]
    ldrh.w  r7, [r1, #(at + 4)]
    ldrh.w  r10, [r1, #(at + 8)]
    ldrh.w  r11, [r1, #(at + 12)]
    weights weight
    both    r6, r4, r8
    both    r7, r5, r9
    weights (weight + 4)
    both    r7, r4, r8
    both    r10, r5, r9
    weights (weight + 8)
    both    r10, r4, r8
    both    r11, r5, r9
    .set    input, input + 1
    .endr
3:  again   2, ROW, COLUMNS, 2b
    write_two 1b
    .size denselet_window_by_two, . - denselet_window_by_two
