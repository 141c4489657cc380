using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Media;
using TorchSharp;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoClipTests
{
    /// <summary>Every value differs, in [0, 1).</summary>
    internal static VideoClip Ramp(int frames, int height, int width)
    {
        int count = 3 * frames * height * width;
        return new VideoClip([.. Enumerable.Range(0, count).Select(index => (float)index / count)], frames, height, width);
    }

    [Test]
    public void TensorsAndColumnsKeepTheirLayout()
    {
        VideoClip clip = Ramp(2, 3, 4);
        using torch.Tensor tensor = torch.tensor(clip.Values.ToArray(), [2, 3, 3, 4]);
        using torch.Tensor last = tensor.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
        var value = new VBuffer<float>(72, clip.Values.ToArray());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(VideoClip.FromTensor(tensor).Values.ToArray(), Is.EqualTo(clip.Values.ToArray()));
            Assert.That(VideoClip.FromTensor(last).Values.ToArray(), Is.EqualTo(clip.Values.ToArray()), "strides of another memory layout");
            Assert.That(
                VideoClip.FromColumn(value, new VectorDataViewType(NumberDataViewType.Single, 2, 3, 3, 4)).Values.ToArray(), Is.EqualTo(clip.Values.ToArray()));
        }
    }

    [Test]
    public void AGridPutsClipsInReadingOrder()
    {
        VideoClip[] clips = [.. new[] { 0.1f, 0.2f, 0.3f }.Select(value => new VideoClip([.. Enumerable.Repeat(value, 3)], 1, 1, 1))];
        VideoClip grid = VideoClip.Grid(clips, columns: 2, gap: 1, background: 0.9f);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(grid.ToString(), Is.EqualTo("[T 1, C 3, H 3, W 3]"));
            Assert.That(grid.Values[..9].ToArray(), Is.EqualTo(new[] { 0.1f, 0.9f, 0.2f, 0.9f, 0.9f, 0.9f, 0.3f, 0.9f, 0.9f }));
            Assert.That(grid.Values[9..18].ToArray(), Is.EqualTo(grid.Values[..9].ToArray()));
        }
    }

    [Test]
    public void AVideoStripIsEveryFrameInARow()
    {
        VideoClip clip = Ramp(3, 2, 2);
        VideoClip strip = clip.FrameStrip(gap: 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((strip.Frames, strip.Height, strip.Width), Is.EqualTo((1, 2, 6)));
            Assert.That(
                strip.Values[..6].ToArray(),
                Is.EqualTo(new[] { clip.Values[0], clip.Values[1], clip.Values[12], clip.Values[13], clip.Values[24], clip.Values[25] }));
        }
    }

    [Test]
    public void PixelsAreRoundedClampedAndEnlarged()
    {
        var clip = new VideoClip([-1, 2, 0.5f, 0.25f, float.NaN, 1], 1, 1, 2);
        Assert.That(
            clip.ToPixels(0, 2), Is.EqualTo(new byte[] { 0, 128, 0, 0, 128, 0, 255, 64, 255, 255, 64, 255, 0, 128, 0, 0, 128, 0, 255, 64, 255, 255, 64, 255 }));
    }

    [Test]
    public void WrongSizesAreNamed()
    {
        using torch.Tensor batch = torch.zeros([1, 2, 3, 4, 4]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new VideoClip(new float[5], 1, 1, 2), Throws.ArgumentException.With.Message.Contains("has 6 values, got 5"));
            Assert.That(() => VideoClip.FromTensor(batch), Throws.ArgumentException.With.Message.Contains("[1, 2, 3, 4, 4]"));
            Assert.That(
                () => VideoClip.FromColumn(default, NumberDataViewType.Single), Throws.ArgumentException.With.Message.Contains("Vector<Single, T, 3, H, W>"));
            Assert.That(() => VideoClip.Grid([Ramp(1, 2, 2), Ramp(2, 2, 2)], 2), Throws.ArgumentException.With.Message.Contains("[T 2, C 3, H 2, W 2]"));
            Assert.That(() => VideoClip.Grid([], 2), Throws.ArgumentException);
        }
    }
}
